#include "config/listen_address.h"

#include "base/error.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>
#include <string_view>

namespace keyrewind::config {
namespace {

constexpr std::string_view kInName =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-";
constexpr std::string_view kInIpv6 = "0123456789abcdefABCDEF:.";

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), port);
  const bool is_whole = failure == std::errc() && end == text.data() + text.size();
  return is_whole ? std::optional(port) : std::nullopt;
}

bool is_host(std::string_view text, std::string_view allowed) {
  return text.find_first_not_of(allowed) == std::string_view::npos;
}

}  // namespace

ListenAddress parse_listen_address(const std::string& text) {
  const std::string_view whole = text;
  const auto colon = whole.rfind(':');
  if (colon != std::string_view::npos) {
    std::string_view host = whole.substr(0, colon);
    const bool has_brackets = host.size() > 2 && host.front() == '[' && host.back() == ']';
    if (has_brackets) {
      host = host.substr(1, host.size() - 2);
    }
    const auto port = parse_port(whole.substr(colon + 1));
    if (port && is_host(host, has_brackets ? kInIpv6 : kInName)) {
      return {std::string(host), *port};
    }
  }
  throw Error(ErrorKind::config, fmt::format("'{}' is no address to listen at; write HOST:PORT, "
                                             "[IPV6]:PORT, or :PORT for every interface",
                                             text));
}

}  // namespace keyrewind::config
