#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace keyrewind::cli {

/// Takes secrets out of text that is to be given away.
class Redaction {
 public:
  /// Those of the configuration `file` (as far as it can be read), of the files that it names, and
  /// of this process's environment.
  static Redaction of_configuration(const std::optional<std::string>& file);

  /// Adds one. Those of less than four bytes are left alone: they are in every text.
  void add(std::string_view secret);

  /// The text with **** in place of each secret, whole lines of files of keys included.
  std::string apply(std::string text) const;

 private:
  std::vector<std::string> secrets_;  ///< The longest first, since one may be part of another.
};

}  // namespace keyrewind::cli
