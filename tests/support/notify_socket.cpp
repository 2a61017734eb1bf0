#include "support/notify_socket.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <stdexcept>
#include <system_error>

namespace keyrewind::test {

NotifySocket::NotifySocket(const std::string& address)
    : address_(address), fd_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  if (address.size() >= sizeof name.sun_path) {
    throw std::runtime_error("too long for a socket: " + address);
  }
  std::memcpy(name.sun_path, address.data(), address.size());
  if (address.front() == '@') {
    name.sun_path[0] = '\0';
  }
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address.size());
  if (::bind(fd_, reinterpret_cast<const sockaddr*>(&name), length) != 0) {
    throw std::system_error(errno, std::generic_category(), "bind " + address);
  }
}

NotifySocket::~NotifySocket() {
  ::close(fd_);
}

std::optional<std::string> NotifySocket::receive(std::chrono::milliseconds limit) {
  pollfd waited{.fd = fd_, .events = POLLIN, .revents = 0};
  if (::poll(&waited, 1, static_cast<int>(limit.count())) <= 0) {
    return std::nullopt;
  }
  std::array<char, 4096> buffer{};
  const ssize_t got = ::recv(fd_, buffer.data(), buffer.size(), 0);
  if (got < 0) {
    throw std::system_error(errno, std::generic_category(), "recv");
  }
  return std::string(buffer.data(), static_cast<std::size_t>(got));
}

std::vector<std::string> NotifySocket::wait_for(const std::string& message,
                                                std::chrono::milliseconds limit) {
  const auto end = std::chrono::steady_clock::now() + limit;
  std::vector<std::string> before;
  while (true) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        end - std::chrono::steady_clock::now());
    const auto next = receive(std::max(left, std::chrono::milliseconds(0)));
    if (!next) {
      std::string seen;
      for (const std::string& one : before) {
        seen += " " + one;
      }
      throw std::runtime_error(message + " was not told, but:" + seen);
    }
    if (*next == message) {
      return before;
    }
    before.push_back(*next);
  }
}

}  // namespace keyrewind::test
