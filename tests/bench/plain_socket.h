#pragma once

#include <netdb.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

/// Connections of the programs that others are measured against: nothing of Keyrewind's on purpose.
namespace keyrewind::bench {

[[noreturn]] inline void fail(const std::string& what) {
  throw std::system_error(errno, std::generic_category(), what);
}

inline int connect_unix(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(static_cast<char*>(address.sun_path), sizeof address.sun_path - 1);
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    fail("connect to " + path);
  }
  return fd;
}

inline int connect_tcp(const std::string& host_and_port) {
  const std::size_t colon = host_and_port.rfind(':');
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (colon == std::string::npos ||
      getaddrinfo(host_and_port.substr(0, colon).c_str(), host_and_port.substr(colon + 1).c_str(),
                  &hints, &found) != 0) {
    throw std::runtime_error("not an address: " + host_and_port);
  }
  const int fd = socket(found->ai_family, SOCK_STREAM, 0);
  const int status = connect(fd, found->ai_addr, found->ai_addrlen);
  freeaddrinfo(found);
  if (status != 0) {
    fail("connect to " + host_and_port);
  }
  return fd;
}

inline int connect_to(std::string address) {
  for (const std::string_view scheme : {"unix://", "valkey://", "redis://"}) {
    if (address.starts_with(scheme)) {
      address.erase(0, scheme.size());
    }
  }
  return address.starts_with('/') ? connect_unix(address) : connect_tcp(address);
}

}  // namespace keyrewind::bench
