#include "support/raw_http.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace keyrewind::test {
namespace {

constexpr int kPatienceMilliseconds = 60'000;

int connected(int family, const sockaddr* address, socklen_t size) {
  const int socket = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (socket < 0 || ::connect(socket, address, size) != 0) {
    ::close(socket);
    throw std::runtime_error("nobody listens");
  }
  return socket;
}

/// Takes the headers off the front of `text`.
std::map<std::string, std::string> take_headers(std::string text) {
  std::map<std::string, std::string> headers;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find("\r\n"), text.size());
    const std::string line = text.substr(0, end);
    text.erase(0, end + 2);
    const std::size_t colon = line.find(": ");
    if (colon != std::string::npos) {
      std::string name = line.substr(0, colon);
      std::transform(name.begin(), name.end(), name.begin(),
                     [](unsigned char letter) { return static_cast<char>(std::tolower(letter)); });
      headers[name] = line.substr(colon + 2);
    }
  }
  return headers;
}

}  // namespace

RawHttp RawHttp::over_tcp(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return RawHttp(connected(AF_INET, reinterpret_cast<const sockaddr*>(&address), sizeof address));
}

RawHttp RawHttp::over_unix(const std::filesystem::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  return RawHttp(connected(AF_UNIX, reinterpret_cast<const sockaddr*>(&address), sizeof address));
}

RawHttp::~RawHttp() {
  if (socket_ >= 0) {
    ::close(socket_);
  }
}

std::size_t RawHttp::send(const std::string& bytes) {
  std::size_t sent = 0;
  while (sent < bytes.size()) {
    const auto taken = ::send(socket_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (taken <= 0) {
      break;
    }
    sent += static_cast<std::size_t>(taken);
  }
  return sent;
}

bool RawHttp::receive() {
  pollfd polled{socket_, POLLIN, 0};
  std::array<char, 16384> buffer{};
  if (::poll(&polled, 1, kPatienceMilliseconds) != 1) {
    return false;
  }
  const auto bytes = ::recv(socket_, buffer.data(), buffer.size(), 0);
  if (bytes <= 0) {
    return false;
  }
  received_.append(buffer.data(), static_cast<std::size_t>(bytes));
  return true;
}

std::optional<RawReply> RawHttp::reply(bool to_head) {
  std::size_t end = 0;
  while ((end = received_.find("\r\n\r\n")) == std::string::npos) {
    if (!receive()) {
      return std::nullopt;
    }
  }
  RawReply reply;
  reply.status = std::stoi(received_.substr(received_.find(' ') + 1, 3));
  reply.headers = take_headers(received_.substr(0, end));
  received_.erase(0, end + 4);
  if (reply.status == 100) {
    return this->reply(to_head);
  }
  const std::size_t length =
      to_head || reply.status == 204 ? 0 : std::stoul("0" + reply.headers["content-length"]);
  while (received_.size() < length) {
    if (!receive()) {
      return std::nullopt;
    }
  }
  reply.body = received_.substr(0, length);
  received_.erase(0, length);
  return reply;
}

bool RawHttp::is_closed() {
  while (receive()) {
  }
  pollfd polled{socket_, POLLIN, 0};
  return ::poll(&polled, 1, 0) == 1;
}

}  // namespace keyrewind::test
