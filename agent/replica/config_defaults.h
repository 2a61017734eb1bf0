#pragma once

#include <span>
#include <string_view>

namespace keyrewind::replica {

/// One option of `CONFIG GET *` with a value that some server has when nobody sets it. An option
/// whose default differs between servers is there once for each value.
struct ConfigDefault {
  std::string_view name;
  std::string_view value;

  auto operator<=>(const ConfigDefault&) const = default;
};

/// The defaults of the servers that the tests run against, in order.
std::span<const ConfigDefault> config_defaults() noexcept;

}  // namespace keyrewind::replica
