#pragma once

#include "base/error.h"

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// Looks at everything that a backup needs, before it is needed, and says what to do.
namespace keyrewind::doctor {

enum class Outcome { ok, note, problem };
std::string_view to_string(Outcome outcome) noexcept;

/// What one look found.
struct Finding {
  std::string check;  ///< "source", "rights", "primary", "repository", "copy dr", "clock", "keys" …
  Outcome outcome = Outcome::ok;
  std::string message;  ///< One line; what to do stands after a semicolon.
};

/// What all looks found, in their order.
class Findings {
 public:
  void ok(std::string_view check, std::string message);
  void note(std::string_view check, std::string message);
  void problem(std::string_view check, const Error& error);

  /// Runs `look`, whose failure is a problem. Returns whether there was none. Cancellation is
  /// thrown on.
  bool look(std::string_view check, const std::function<void()>& look);

  const std::vector<Finding>& all() const noexcept { return all_; }

  /// For the exit status.
  const std::optional<Error>& first_problem() const noexcept { return first_problem_; }
  bool has_notes() const noexcept;

 private:
  std::vector<Finding> all_;
  std::optional<Error> first_problem_;
};

}  // namespace keyrewind::doctor
