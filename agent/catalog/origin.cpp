#include "catalog/origin.h"

#include <algorithm>
#include <array>
#include <cstddef>

namespace keyrewind::catalog {
namespace {

// In the order of Trigger.
constexpr std::array<std::string_view, 5> kWords{"base", "schedule", "manual", "final", "import"};

}  // namespace

std::string_view to_string(Trigger trigger) noexcept {
  return kWords[static_cast<std::size_t>(trigger)];
}

std::optional<Trigger> trigger_from(std::string_view word) noexcept {
  const auto found = std::ranges::find(kWords, word);
  return found == kWords.end() ? std::nullopt
                               : std::optional(static_cast<Trigger>(found - kWords.begin()));
}

}  // namespace keyrewind::catalog
