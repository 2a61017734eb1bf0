#pragma once

#include "base/secret.h"

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace keyrewind::s3 {

/// `text` without blanks and line ends at its own ends: what a text editor and a shell leave.
std::string_view trimmed(std::string_view text) noexcept;

/// Whether all is printable ASCII without blanks, as keys and tokens are. Anything else would end
/// up in a header.
bool is_one_word(std::string_view text) noexcept;

/// The environment as AWS's tools read it: a variable that is empty is not set.
class Variables {
 public:
  using Lookup = std::function<std::optional<std::string>(const std::string&)>;

  explicit Variables(Lookup lookup) : lookup_(std::move(lookup)) {}

  /// Its trimmed value, or an empty text.
  std::string get(const std::string& name) const;
  Secret secret(const std::string& name) const { return Secret(get(name)); }
  bool has(const std::string& name) const { return !get(name).empty(); }

  /// Whether it is "true", in any case.
  bool is_true(const std::string& name) const;

  /// `path` with "~/" at its beginning replaced by the home folder.
  std::string expand_home(std::string path) const;

 private:
  Lookup lookup_;
};

}  // namespace keyrewind::s3
