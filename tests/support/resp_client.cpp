#include "support/resp_client.h"

#include "base/error.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace keyrewind::test {
namespace {

constexpr std::size_t kPiece = 65536;

template <typename Address>
int connect_to(int family, const Address& address, const std::string& name) {
  const int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    throw std::runtime_error("cannot make a socket: " + errno_text(errno));
  }
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    const int number = errno;
    close(fd);
    throw std::runtime_error("cannot connect to " + name + ": " + errno_text(number));
  }
  const timeval minute{.tv_sec = 60, .tv_usec = 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &minute, sizeof minute);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &minute, sizeof minute);
  return fd;
}

template <typename Arguments>
void append(std::string& out, const Arguments& arguments) {
  out += '*' + std::to_string(arguments.size()) + "\r\n";
  for (const auto& argument : arguments) {
    out += '$' + std::to_string(argument.size()) + "\r\n";
    out += argument;
    out += "\r\n";
  }
}

}  // namespace

void append_command(std::string& out, const std::vector<std::string>& arguments) {
  append(out, arguments);
}

void append_command(std::string& out, std::initializer_list<std::string_view> arguments) {
  append(out, arguments);
}

RespClient RespClient::connect_unix(const std::filesystem::path& socket) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = socket.string();
  if (path.size() >= sizeof address.sun_path) {
    throw std::runtime_error("the path of the socket is too long: " + path);
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return RespClient(connect_to(AF_UNIX, address, path));
}

RespClient RespClient::connect_tcp(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return RespClient(connect_to(AF_INET, address, "port " + std::to_string(port)));
}

RespClient::~RespClient() {
  if (fd_ >= 0) {
    close(fd_);
  }
}

RespClient::RespClient(RespClient&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      buffer_(std::move(other.buffer_)),
      taken_(std::exchange(other.taken_, 0)) {}

Reply RespClient::call(const std::vector<std::string>& arguments) {
  std::string bytes;
  append_command(bytes, arguments);
  send(bytes);
  return read();
}

void RespClient::send(std::string_view bytes) const {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0) {
      throw std::runtime_error("cannot send to the server: " + errno_text(errno));
    }
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

Reply RespClient::read() {
  const std::string line(read_line());
  if (line.empty()) {
    throw std::runtime_error("the server sent an empty line");
  }
  Reply reply{.type = line.front(), .nil = false, .text = line.substr(1), .elements = {}};
  if (reply.type != '$' && reply.type != '*') {
    return reply;
  }
  const long count = std::stol(reply.text);
  reply.text.clear();
  reply.nil = count < 0;
  if (reply.type == '$' && !reply.nil) {
    reply.text = read_exactly(static_cast<std::size_t>(count) + 2);
    reply.text.resize(static_cast<std::size_t>(count));
  }
  for (long i = 0; reply.type == '*' && i < count; ++i) {
    reply.elements.push_back(read());
  }
  return reply;
}

std::string_view RespClient::read_line() {
  std::size_t searched = taken_;
  for (;;) {
    const std::size_t end = buffer_.find("\r\n", searched);
    if (end != std::string::npos) {
      const std::size_t start = std::exchange(taken_, end + 2);
      return std::string_view(buffer_).substr(start, end - start);
    }
    const std::size_t unread = buffer_.size() - taken_;
    fill();
    searched = taken_ + (unread == 0 ? 0 : unread - 1);
  }
}

std::string RespClient::read_exactly(std::size_t count) {
  while (buffer_.size() - taken_ < count) {
    fill();
  }
  std::string result = buffer_.substr(taken_, count);
  taken_ += count;
  return result;
}

void RespClient::fill() {
  buffer_.erase(0, std::exchange(taken_, 0));
  const std::size_t before = buffer_.size();
  buffer_.resize(before + kPiece);
  const ssize_t count = recv(fd_, buffer_.data() + before, kPiece, 0);
  buffer_.resize(before + static_cast<std::size_t>(count < 0 ? 0 : count));
  if (count < 0) {
    throw std::runtime_error("cannot read from the server: " + errno_text(errno));
  }
  if (count == 0) {
    throw std::runtime_error("the server closed the connection");
  }
}

}  // namespace keyrewind::test
