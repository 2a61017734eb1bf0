#include "config/source_options.h"

#include "config/password.h"

#include <string_view>

namespace keyrewind::config {
namespace {

using Transport = replica::Address::Transport;

constexpr std::string_view kSentinelPort = ":26379";

/// Whether the authority of a URL, "HOST", "HOST:PORT" or "[IPV6]:PORT", says a port.
bool has_port(std::string_view authority) {
  const auto bracket = authority.rfind(']');
  return authority.find(':', bracket == std::string_view::npos ? 0 : bracket) !=
         std::string_view::npos;
}

}  // namespace

replica::SourceOptions to_source_options(const Config& config) {
  const auto& tls = config.source.tls;
  replica::SourceOptions options;
  options.address = replica::parse_address(config.source.address);
  options.username = config.source.username;
  options.password = load_password(config);
  options.tls = {.ca_file = tls.ca_file,
                 .cert_file = tls.cert_file,
                 .key_file = tls.key_file,
                 .server_name = tls.server_name};
  return options;
}

replica::ShardOptions to_shard_options(const Config& config) {
  replica::ShardOptions options;
  options.source = to_source_options(config);
  options.read_from = config.source.read_from;
  options.sentinel.master = config.source.sentinel.master;
  for (const std::string& text : config.source.sentinel.addresses) {
    options.sentinel.addresses.push_back(
        parse_sentinel_address(text, options.source.address.transport));
  }
  return options;
}

replica::Address parse_sentinel_address(const std::string& text, Transport transport) {
  if (text.starts_with("unix:")) {
    return replica::parse_address(text);
  }
  const bool is_bare = text.find("://") == std::string::npos;
  std::string url =
      is_bare ? (transport == Transport::tls ? "valkeys://" : "valkey://") + text : text;
  if (url.ends_with('/')) {
    url.pop_back();
  }
  if (!has_port(std::string_view(url).substr(url.find("://") + 3))) {
    url += kSentinelPort;
  }
  return replica::parse_address(url);
}

}  // namespace keyrewind::config
