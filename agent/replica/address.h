#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace keyrewind::replica {

/// Where a server listens, as the user writes it:
///   valkey://HOST[:PORT], redis://HOST[:PORT]     TCP, port 6379 unless given
///   valkeys://…, rediss://…                       TLS over TCP
///   unix:///ABSOLUTE/PATH or unix:/ABSOLUTE/PATH  Unix socket
/// IPv6 addresses stand in brackets.
struct Address {
  enum class Transport { tcp, tls, unix };

  Transport transport = Transport::tcp;
  std::string host;
  std::uint16_t port = 6379;
  std::string path;  ///< Of a Unix socket.

  bool operator==(const Address&) const = default;
};

/// Throws Error(config), saying which form is accepted. Credentials in the URL are refused: they
/// would end up in process lists; the message says where they go.
Address parse_address(const std::string& url);

/// The node at `host` and `port` as a node or Sentinel names it, with TLS if `like` is. Nothing
/// without a real port: some replicas, this program among them, listen nowhere.
std::optional<Address> named_address(std::string_view host, std::string_view port,
                                     const Address& like);

/// "127.0.0.1:6379", "[::1]:6379" or "/run/valkey.sock", for messages.
std::string to_string(const Address& address);

}  // namespace keyrewind::replica
