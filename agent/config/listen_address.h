#pragma once

#include <cstdint>
#include <string>

namespace keyrewind::config {

/// Where to listen for HTTP.
struct ListenAddress {
  std::string host;        ///< A name or an address without brackets; empty: every interface.
  std::uint16_t port = 0;  ///< 0: any that is free, for the system to choose.
};

/// Reads HOST:PORT, [IPV6]:PORT or :PORT. Throws Error(config).
ListenAddress parse_listen_address(const std::string& text);

}  // namespace keyrewind::config
