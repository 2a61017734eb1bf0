#include "io/connect.h"
#include "io/socket.h"
#include "io/waiter.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

namespace keyrewind::io {

namespace {

using std::chrono::steady_clock;

constexpr int kReceiveBuffer = 4 << 20;
constexpr int kWakeUpBytes = 256 << 10;

/// How long a bulk read lets bytes gather. The rest of a transfer may be smaller than
/// kWakeUpBytes, and then poll(2) does not report it at all.
constexpr std::chrono::milliseconds kGatherTime{20};

/// How soon to try again when a Unix socket's queue of connections is full: no event tells.
constexpr std::chrono::milliseconds kBacklogPause{10};

enum class Family { tcp, unix };

/// A connected stream socket without encryption.
class PlainSocket final : public Socket {
 public:
  PlainSocket(Fd socket, Family family, std::string peer, Waiter waiter)
      : socket_(std::move(socket)),
        family_(family),
        peer_(std::move(peer)),
        waiter_(std::move(waiter)) {}

  std::size_t read_some(std::span<std::byte> into, std::chrono::milliseconds timeout,
                        std::stop_token stop) override;
  std::optional<std::size_t> read_arrived(std::span<std::byte> into) override;
  bool wait_for_more(std::chrono::milliseconds timeout, std::stop_token stop) override;
  void wake() noexcept override { waiter_.wake(); }
  void write_all(ByteView bytes, std::chrono::milliseconds timeout, std::stop_token stop) override;
  void prefer_throughput() override;

 private:
  Fd socket_;
  Family family_;
  std::string peer_;
  Waiter waiter_;
  bool gathers_ = false;
};

std::size_t PlainSocket::read_some(std::span<std::byte> into, std::chrono::milliseconds timeout,
                                   std::stop_token stop) {
  throw_if_stopped(stop);
  const Deadline deadline = steady_clock::now() + timeout;
  if (gathers_) {
    waiter_.wait(socket_.number(), POLLIN, std::min(deadline, steady_clock::now() + kGatherTime),
                 stop);
  }
  while (true) {
    if (const auto got = read_arrived(into)) {
      return *got;
    }
    const auto now = steady_clock::now();
    if (now >= deadline) {
      throw silence_error(peer_, timeout);
    }
    waiter_.wait(socket_.number(), POLLIN,
                 gathers_ ? std::min(deadline, now + kGatherTime) : deadline, stop);
  }
}

std::optional<std::size_t> PlainSocket::read_arrived(std::span<std::byte> into) {
  while (true) {
    const ssize_t got = ::recv(socket_.number(), into.data(), into.size(), MSG_DONTWAIT);
    if (got >= 0) {
      return static_cast<std::size_t>(got);
    }
    if (errno == EAGAIN) {
      return std::nullopt;
    }
    if (errno != EINTR) {
      throw socket_error("read from", peer_, errno);
    }
  }
}

bool PlainSocket::wait_for_more(std::chrono::milliseconds timeout, std::stop_token stop) {
  return waiter_.wait_unless_woken(socket_.number(), POLLIN, steady_clock::now() + timeout, stop);
}

void PlainSocket::write_all(ByteView bytes, std::chrono::milliseconds timeout,
                            std::stop_token stop) {
  throw_if_stopped(stop);
  const Deadline deadline = steady_clock::now() + timeout;
  while (!bytes.empty()) {
    const ssize_t sent =
        ::send(socket_.number(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent >= 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(sent));
      continue;
    }
    if (errno == EINTR) {
      continue;
    }
    if (errno != EAGAIN) {
      throw socket_error("write to", peer_, errno);
    }
    if (!waiter_.wait(socket_.number(), POLLOUT, deadline, stop)) {
      throw stuck_error(peer_, timeout);
    }
  }
}

/// What an ordinary user may set SO_RCVBUF to; 0 if this namespace does not tell.
int max_receive_buffer() {
  int bytes = 0;
  std::ifstream("/proc/sys/net/core/rmem_max") >> bytes;
  return bytes;
}

void PlainSocket::prefer_throughput() {
  // A Unix socket's queue is bounded by its sender, and poll(2) ignores SO_RCVLOWAT on it.
  if (family_ == Family::unix) {
    return;
  }
  // A fixed size switches off the kernel's own tuning, so it has to be larger than that would get.
  if (max_receive_buffer() >= kReceiveBuffer) {
    ::setsockopt(socket_.number(), SOL_SOCKET, SO_RCVBUF, &kReceiveBuffer, sizeof kReceiveBuffer);
  }
  gathers_ = ::setsockopt(socket_.number(), SOL_SOCKET, SO_RCVLOWAT, &kWakeUpBytes,
                          sizeof kWakeUpBytes) == 0;
}

sockaddr_un unix_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    throw Error(Side::source, ErrorKind::config,
                fmt::format("{} is too long: the path of a Unix socket has at most {} bytes", path,
                            sizeof address.sun_path - 1));
  }
  std::memcpy(static_cast<char*>(address.sun_path), path.data(), path.size());
  return address;
}

Error unix_connect_error(const std::string& path, int number) {
  if (number == EACCES) {
    return {Side::source, ErrorKind::denied,
            fmt::format("connect to {}: {}; let this user write to the socket (unixsocketperm, "
                        "group of the folder)",
                        path, errno_text(number))};
  }
  return socket_error("connect to", path, number);
}

}  // namespace

std::unique_ptr<Socket> connect_tcp(const std::string& host, std::uint16_t port,
                                    std::chrono::milliseconds timeout, std::stop_token stop) {
  Waiter waiter;
  Fd socket = open_tcp(host, port, steady_clock::now() + timeout, waiter, stop);
  return std::make_unique<PlainSocket>(std::move(socket), Family::tcp, host_and_port(host, port),
                                       std::move(waiter));
}

std::unique_ptr<Socket> connect_unix(const std::string& path, std::chrono::milliseconds timeout,
                                     std::stop_token stop) {
  const sockaddr_un address = unix_address(path);
  const Deadline deadline = steady_clock::now() + timeout;
  Waiter waiter;
  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) {
    throw socket_error("connect to", path, errno);
  }
  while (::connect(socket.number(), reinterpret_cast<const sockaddr*>(&address), sizeof address) !=
         0) {
    const int failure = errno;
    const bool backlog_is_full = failure == EAGAIN;
    if (!backlog_is_full || steady_clock::now() >= deadline) {
      throw unix_connect_error(path, failure);
    }
    waiter.wait(-1, 0, std::min(deadline, steady_clock::now() + kBacklogPause), stop);
  }
  return std::make_unique<PlainSocket>(std::move(socket), Family::unix, path, std::move(waiter));
}

}  // namespace keyrewind::io
