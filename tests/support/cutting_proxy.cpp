#include "support/cutting_proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <list>
#include <optional>
#include <stdexcept>
#include <utility>

namespace keyrewind::test {
namespace {

constexpr int kPollMilliseconds = 50;

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

bool send_all(int to, const char* bytes, std::size_t count) {
  while (count > 0) {
    const ssize_t sent = ::send(to, bytes, count, MSG_NOSIGNAL);
    if (sent <= 0) {
      return false;
    }
    bytes += sent;
    count -= static_cast<std::size_t>(sent);
  }
  return true;
}

/// Finds the end of the line that begins with "+CONTINUE" in what a server sends.
class ContinueFinder {
 public:
  /// The bytes of `text` behind that line, once it is over; nothing before.
  std::optional<std::size_t> stream_bytes(std::string_view text) {
    if (found_) {
      return text.size();
    }
    seen_ += text;
    const auto line = seen_.find("+CONTINUE");
    const auto end = line == std::string::npos ? line : seen_.find("\r\n", line);
    if (end == std::string::npos) {
      return std::nullopt;
    }
    found_ = true;
    return seen_.size() - (end + 2);
  }

 private:
  bool found_ = false;
  std::string seen_;
};

}  // namespace

CuttingProxy::CuttingProxy(std::uint16_t server_port, Limit limit)
    : server_port_(server_port), limit_(std::move(limit)) {
  listening_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  if (::bind(listening_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      ::listen(listening_, 16) != 0 ||
      ::getsockname(listening_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    throw std::runtime_error("the proxy cannot listen");
  }
  port_ = ntohs(address.sin_port);
  thread_ = std::jthread([this](const std::stop_token& stop) { serve(stop); });
}

CuttingProxy::~CuttingProxy() {
  thread_.request_stop();
  thread_.join();
  ::close(listening_);
}

void CuttingProxy::serve(const std::stop_token& stop) {
  std::list<std::jthread> connections;
  while (!stop.stop_requested()) {
    pollfd ready{listening_, POLLIN, 0};
    if (::poll(&ready, 1, kPollMilliseconds) == 1) {
      const int client = ::accept4(listening_, nullptr, nullptr, SOCK_CLOEXEC);
      if (client >= 0) {
        connections.emplace_back(
            [this, client](const std::stop_token& token) { pass(client, token); });
      }
    }
  }
}

void CuttingProxy::pass(int client, const std::stop_token& stop) {
  const int server = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = loopback(server_port_);
  if (::connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
    ContinueFinder finder;
    std::optional<std::int64_t> left;
    bool began = false;
    std::array<char, 65536> buffer{};
    bool open = true;
    while (open && !stop.stop_requested()) {
      std::array<pollfd, 2> ready{pollfd{client, POLLIN, 0}, pollfd{server, POLLIN, 0}};
      ::poll(ready.data(), ready.size(), kPollMilliseconds);
      if (ready[0].revents != 0) {
        const ssize_t got = ::recv(client, buffer.data(), buffer.size(), 0);
        open = got > 0 && send_all(server, buffer.data(), static_cast<std::size_t>(got));
      }
      if (open && ready[1].revents != 0) {
        const ssize_t got = ::recv(server, buffer.data(), buffer.size(), 0);
        if (got <= 0) {
          break;
        }
        auto count = static_cast<std::size_t>(got);
        const auto stream = finder.stream_bytes({buffer.data(), count});
        if (stream && !left) {
          left = limit_(log_connections_++);
        }
        if (stream && *stream > 0 && !std::exchange(began, true) && corrupts_) {
          buffer[count - *stream] = '!';
        }
        if (stream && *left > 0) {
          const auto passed = std::min(static_cast<std::int64_t>(*stream), *left);
          count -= *stream - static_cast<std::size_t>(passed);
          *left -= passed;
          if (*left == 0) {
            open = false;
            ++cuts_;
          }
        }
        open = send_all(client, buffer.data(), count) && open;
      }
    }
  }
  ::close(server);
  ::close(client);
}

}  // namespace keyrewind::test
