#include "http/listen.h"

#include "base/error.h"

#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>

namespace keyrewind::http {
namespace {

/// Connections that wait to be accepted.
constexpr int kBacklog = 256;
constexpr mode_t kSocketMode = 0660;

struct FreeAddresses {
  void operator()(addrinfo* list) const noexcept { freeaddrinfo(list); }
};

Error bad_address(const std::string& text) {
  return {
      ErrorKind::config,
      fmt::format("http.listen '{}' is no address; write it as 0.0.0.0:8379, [::]:8379 or :8379",
                  text)};
}

std::string in_words(const ListenAddress& address) {
  return address.host.find(':') == std::string::npos
             ? fmt::format("{}:{}", address.host, address.port)
             : fmt::format("[{}]:{}", address.host, address.port);
}

io::Fd open_socket(int family) {
  io::Fd fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) {
    throw Error(ErrorKind::failed, "open a socket: " + errno_text(errno));
  }
  return fd;
}

sockaddr_un to_sockaddr(const std::filesystem::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string text = path.string();
  if (text.empty() || text.size() >= sizeof address.sun_path) {
    throw Error(ErrorKind::config,
                fmt::format("http.socket '{}' is too long; a socket's path has at most {} bytes",
                            text, sizeof address.sun_path - 1));
  }
  std::memcpy(address.sun_path, text.data(), text.size());
  return address;
}

const sockaddr* generic(const sockaddr_un& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

Error socket_file_error(const std::filesystem::path& path, int number) {
  const auto kind = number == EACCES || number == EPERM || number == EROFS ? ErrorKind::denied
                                                                           : ErrorKind::failed;
  return {kind, fmt::format("listen on {}: {}", path.string(), errno_text(number))};
}

/// Removes a socket file that a killed process left.
void remove_stale(const std::filesystem::path& path, const sockaddr_un& address) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) {
    return;
  }
  if (!S_ISSOCK(info.st_mode)) {
    throw Error(ErrorKind::config,
                fmt::format("http.socket {} is there already and no socket; it is "
                            "left alone, name another path",
                            path.string()));
  }
  const io::Fd probe = open_socket(AF_UNIX);
  if (::connect(probe.number(), generic(address), sizeof address) == 0 || errno == EAGAIN) {
    throw Error(ErrorKind::busy, fmt::format("another agent listens on {}", path.string()));
  }
  if (errno != ECONNREFUSED && errno != ENOENT) {
    throw socket_file_error(path, errno);
  }
  ::unlink(path.c_str());
}

}  // namespace

ListenAddress parse_listen_address(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos) {
    throw bad_address(text);
  }
  ListenAddress address;
  address.host = text.substr(0, colon);
  const std::string_view port = std::string_view(text).substr(colon + 1);
  const auto [end, failure] = std::from_chars(port.data(), port.data() + port.size(), address.port);
  if (failure != std::errc() || end != port.data() + port.size()) {
    throw bad_address(text);
  }
  if (address.host.empty()) {
    return address;
  }
  const bool bracketed = address.host.front() == '[' && address.host.back() == ']';
  if (bracketed) {
    address.host = address.host.substr(1, address.host.size() - 2);
  }
  if (address.host.empty() || bracketed != (address.host.find(':') != std::string::npos)) {
    throw bad_address(text);
  }
  return address;
}

namespace {

/// Over IPv6 and IPv4 where the kernel knows both.
io::Fd listen_everywhere(std::uint16_t port) {
  try {
    return listen_on({"::", port});
  } catch (const Error&) {
    return listen_on({"0.0.0.0", port});
  }
}

}  // namespace

io::Fd listen_on(const ListenAddress& address) {
  if (address.host.empty()) {
    return listen_everywhere(address.port);
  }
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (::getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &found) !=
      0) {
    throw Error(ErrorKind::config,
                fmt::format("http.listen {} is no address of this machine", in_words(address)));
  }
  const std::unique_ptr<addrinfo, FreeAddresses> list(found);
  io::Fd fd = open_socket(list->ai_family);
  const int on = 1;
  ::setsockopt(fd.number(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(fd.number(), list->ai_addr, list->ai_addrlen) != 0 ||
      ::listen(fd.number(), kBacklog) != 0) {
    const int number = errno;
    const auto kind = number == EADDRNOTAVAIL ? ErrorKind::config : ErrorKind::failed;
    throw Error(kind, fmt::format("listen on {}: {}", in_words(address), errno_text(number)));
  }
  return fd;
}

std::uint16_t port_of(const io::Fd& listener) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getsockname(listener.number(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    throw Error(ErrorKind::internal, "getsockname: " + errno_text(errno));
  }
  const in_port_t port = address.ss_family == AF_INET6
                             ? reinterpret_cast<const sockaddr_in6*>(&address)->sin6_port
                             : reinterpret_cast<const sockaddr_in*>(&address)->sin_port;
  return ntohs(port);
}

UnixListener::UnixListener(std::filesystem::path path) : path_(std::move(path)) {
  const sockaddr_un address = to_sockaddr(path_);
  remove_stale(path_, address);
  fd_ = open_socket(AF_UNIX);
  // Nobody may connect before the mode is set: there is no listener until then.
  struct stat info {};
  if (::bind(fd_.number(), generic(address), sizeof address) != 0 ||
      ::chmod(path_.c_str(), kSocketMode) != 0 || ::stat(path_.c_str(), &info) != 0 ||
      ::listen(fd_.number(), kBacklog) != 0) {
    throw socket_file_error(path_, errno);
  }
  inode_ = info.st_ino;
}

UnixListener::~UnixListener() {
  struct stat info {};
  if (::lstat(path_.c_str(), &info) == 0 && info.st_ino == inode_) {
    ::unlink(path_.c_str());
  }
}

}  // namespace keyrewind::http
