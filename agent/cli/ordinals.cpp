#include "cli/ordinals.h"

#include "base/error.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstdlib>
#include <sstream>
#include <string_view>

namespace keyrewind::cli {
namespace {

/// Far more pods than any StatefulSet has.
constexpr std::uint64_t kMostOrdinals = 10'000;

std::optional<std::uint64_t> number_from(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool whole = failure == std::errc() && end == text.data() + text.size();
  return whole && number < kMostOrdinals ? std::optional(number) : std::nullopt;
}

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

/// The number behind the last '-'.
std::optional<std::uint64_t> number_at_end(const std::string& pod) {
  const std::size_t dash = pod.rfind('-');
  return dash == std::string::npos ? std::nullopt
                                   : number_from(std::string_view(pod).substr(dash + 1));
}

}  // namespace

std::set<std::uint64_t> parse_ordinals(const std::string& text) {
  std::set<std::uint64_t> ordinals;
  std::istringstream parts(text);
  for (std::string part; std::getline(parts, part, ',');) {
    const std::size_t dash = part.find('-');
    const auto first = number_from(std::string_view(part).substr(0, dash));
    const auto last =
        dash == std::string::npos ? first : number_from(std::string_view(part).substr(dash + 1));
    if (!first || !last || *first > *last) {
      ordinals.clear();
      break;
    }
    for (std::uint64_t ordinal = *first; ordinal <= *last; ++ordinal) {
      ordinals.insert(ordinal);
    }
  }
  if (ordinals.empty()) {
    throw Error(
        ErrorKind::config,
        fmt::format("--ordinals '{}' is not a list of pod numbers such as 0 or 0,2-4", text));
  }
  return ordinals;
}

std::optional<std::uint64_t> ordinal_of_pod() {
  if (const std::string index = variable("KEYREWIND_POD_INDEX"); !index.empty()) {
    const auto number = number_from(index);
    if (!number) {
      throw Error(ErrorKind::config,
                  fmt::format("KEYREWIND_POD_INDEX '{}' is not the number of a pod", index));
    }
    return number;
  }
  const auto number = number_at_end(variable("POD_NAME"));
  return number ? number : number_at_end(variable("HOSTNAME"));
}

std::string name_of_node() {
  for (const char* name : {"POD_NAME", "HOSTNAME"}) {
    if (std::string value = variable(name); !value.empty()) {
      return value;
    }
  }
  std::array<char, 256> name{};
  return gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "unknown";
}

}  // namespace keyrewind::cli
