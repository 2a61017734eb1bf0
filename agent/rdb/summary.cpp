#include "rdb/summary.h"

#include <algorithm>
#include <functional>

namespace keyrewind::rdb {
namespace {

// Written to the manifest: never rename. In the order of ValueType.
constexpr std::array<std::string_view, kValueTypes> kNames = {"string", "list",   "set",   "zset",
                                                              "hash",   "stream", "module"};

}  // namespace

std::string_view to_string(ValueType type) noexcept {
  return kNames[static_cast<std::size_t>(type)];
}

std::optional<ValueType> value_type_from(std::string_view name) noexcept {
  const auto* const found = std::ranges::find(kNames, name);
  if (found == kNames.end()) {
    return std::nullopt;
  }
  return static_cast<ValueType>(found - kNames.begin());
}

std::uint64_t Summary::keys() const noexcept {
  std::uint64_t sum = 0;
  for (const auto& [number, database] : databases) {
    sum += database.keys;
  }
  return sum;
}

std::uint64_t Summary::keys_with_ttl() const noexcept {
  std::uint64_t sum = 0;
  for (const auto& [number, database] : databases) {
    sum += database.keys_with_ttl;
  }
  return sum;
}

std::array<std::uint64_t, kValueTypes> Summary::by_type() const noexcept {
  std::array<std::uint64_t, kValueTypes> sums{};
  for (const auto& [number, database] : databases) {
    std::ranges::transform(sums, database.by_type, sums.begin(), std::plus<>());
  }
  return sums;
}

}  // namespace keyrewind::rdb
