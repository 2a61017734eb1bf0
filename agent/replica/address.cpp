#include "replica/address.h"

#include "base/error.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>

namespace keyrewind::replica {

namespace {

constexpr std::string_view kForms =
    "write valkey://HOST[:PORT] or redis://HOST[:PORT], valkeys:// or rediss:// for TLS, or "
    "unix:///PATH";

Error not_an_address(const std::string& url, std::string_view why) {
  return {ErrorKind::config, fmt::format("\"{}\" is not an address: {}; {}", url, why, kForms)};
}

/// Takes `prefix` off the front of `text` if it is there.
bool take(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) {
    return false;
  }
  text.remove_prefix(prefix.size());
  return true;
}

std::optional<Address::Transport> take_scheme(std::string_view& rest) {
  if (take(rest, "valkeys://") || take(rest, "rediss://")) {
    return Address::Transport::tls;
  }
  if (take(rest, "valkey://") || take(rest, "redis://")) {
    return Address::Transport::tcp;
  }
  return std::nullopt;
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  const bool is_number = error == std::errc() && end == text.data() + text.size();
  return is_number && port > 0 ? std::optional(port) : std::nullopt;
}

bool may_stand_in_host(char letter) {
  const auto byte = static_cast<unsigned char>(letter);
  return byte > ' ' && byte != 0x7f &&
         std::string_view("/?#[]\\\"").find(letter) == std::string_view::npos;
}

/// "HOST", "HOST:PORT", "[IPV6]" or "[IPV6]:PORT", cut in two.
struct HostAndPort {
  std::string_view host;
  std::optional<std::string_view> port;
};

std::optional<HostAndPort> split(std::string_view text) {
  const bool is_bracketed = take(text, "[");
  const std::size_t end = text.find(is_bracketed ? ']' : ':');
  if (is_bracketed && end == std::string_view::npos) {
    return std::nullopt;
  }
  HostAndPort parts{text.substr(0, end), std::nullopt};
  text.remove_prefix(parts.host.size() + (is_bracketed ? 1 : 0));
  if (text.empty()) {
    return parts;
  }
  if (!take(text, ":")) {
    return std::nullopt;
  }
  parts.port = text;
  return parts;
}

Address parse_unix(const std::string& url, std::string_view path) {
  take(path, "//");
  if (!path.starts_with('/')) {
    throw not_an_address(url, "the path of a Unix socket is absolute");
  }
  Address address;
  address.transport = Address::Transport::unix;
  address.path = path;
  return address;
}

}  // namespace

Address parse_address(const std::string& url) {
  std::string_view rest = url;
  if (take(rest, "unix:")) {
    return parse_unix(url, rest);
  }
  if (url.find('@') != std::string::npos) {
    // Without the URL itself: this message is printed and logged.
    throw Error(ErrorKind::config,
                "the address holds credentials, which would show in process lists; set "
                "source.username and source.password_file instead");
  }
  const auto transport = take_scheme(rest);
  if (!transport) {
    throw not_an_address(url, "its scheme is unknown");
  }
  if (rest.ends_with('/')) {
    rest.remove_suffix(1);
  }

  const auto parts = split(rest);
  if (!parts || parts->host.empty() ||
      !std::all_of(parts->host.begin(), parts->host.end(), may_stand_in_host)) {
    throw not_an_address(url, "its host cannot be read");
  }
  Address address;
  address.transport = *transport;
  address.host = parts->host;
  if (parts->port) {
    const auto port = parse_port(*parts->port);
    if (!port) {
      throw not_an_address(url, "a port is a number from 1 to 65535");
    }
    address.port = *port;
  }
  return address;
}

std::optional<Address> named_address(std::string_view host, std::string_view port,
                                     const Address& like) {
  const auto number = parse_port(port);
  if (host.empty() || !number) {
    return std::nullopt;
  }
  const bool is_tls = like.transport == Address::Transport::tls;
  return Address{is_tls ? Address::Transport::tls : Address::Transport::tcp, std::string(host),
                 *number, ""};
}

std::string to_string(const Address& address) {
  if (address.transport == Address::Transport::unix) {
    return address.path;
  }
  const bool is_ipv6 = address.host.find(':') != std::string::npos;
  return is_ipv6 ? fmt::format("[{}]:{}", address.host, address.port)
                 : fmt::format("{}:{}", address.host, address.port);
}

}  // namespace keyrewind::replica
