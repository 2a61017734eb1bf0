#include "io/connect.h"

#include "base/clock.h"

#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <memory>

namespace keyrewind::io {

namespace {

struct FreeAddresses {
  void operator()(addrinfo* list) const noexcept { ::freeaddrinfo(list); }
};
using Addresses = std::unique_ptr<addrinfo, FreeAddresses>;

Addresses resolve(const std::string& host, std::uint16_t port) {
  addrinfo wanted{};
  wanted.ai_family = AF_UNSPEC;
  wanted.ai_socktype = SOCK_STREAM;
  wanted.ai_flags = AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int failure = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &wanted, &found);
  if (failure == EAI_SYSTEM) {
    throw socket_error("look up", host, errno);
  }
  if (failure != 0) {
    throw Error(Side::source, ErrorKind::unavailable,
                fmt::format("look up {}: {}", host, ::gai_strerror(failure)));
  }
  return Addresses(found);
}

int count(const addrinfo* list) {
  int addresses = 0;
  for (; list != nullptr; list = list->ai_next) {
    ++addresses;
  }
  return addresses;
}

/// The errno that a non-blocking connect ended with.
int connect_result(const Fd& socket) {
  int failure = 0;
  socklen_t size = sizeof failure;
  if (::getsockopt(socket.number(), SOL_SOCKET, SO_ERROR, &failure, &size) != 0) {
    return errno;
  }
  return failure;
}

/// Connects to one address. Returns 0 or an errno; ETIMEDOUT if the deadline passes.
int try_connect(const Fd& socket, const addrinfo& address, Deadline deadline, Waiter& waiter,
                const std::stop_token& stop) {
  if (::connect(socket.number(), address.ai_addr, address.ai_addrlen) == 0) {
    return 0;
  }
  if (errno != EINPROGRESS && errno != EINTR) {
    return errno;
  }
  return waiter.wait(socket.number(), POLLOUT, deadline, stop) ? connect_result(socket) : ETIMEDOUT;
}

Deadline share_of(Deadline deadline, int addresses_left) {
  const auto now = std::chrono::steady_clock::now();
  return now + (deadline - now) / addresses_left;
}

}  // namespace

std::string host_and_port(const std::string& host, std::uint16_t port) {
  const bool is_ipv6 = host.find(':') != std::string::npos;
  return is_ipv6 ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
}

Fd open_tcp(const std::string& host, std::uint16_t port, Deadline deadline, Waiter& waiter,
            const std::stop_token& stop) {
  throw_if_stopped(stop);
  const Addresses addresses = resolve(host, port);
  int left = count(addresses.get());
  int failure = EADDRNOTAVAIL;
  for (const addrinfo* address = addresses.get(); address != nullptr;
       address = address->ai_next, --left) {
    Fd socket(::socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    failure =
        socket ? try_connect(socket, *address, share_of(deadline, left), waiter, stop) : errno;
    if (failure == 0) {
      const int on = 1;
      ::setsockopt(socket.number(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      return socket;
    }
  }
  throw socket_error("connect to", host_and_port(host, port), failure);
}

Error socket_error(const std::string& doing, const std::string& peer, int number) {
  return {Side::source, ErrorKind::unavailable,
          fmt::format("{} {}: {}", doing, peer, errno_text(number))};
}

Error silence_error(const std::string& peer, std::chrono::milliseconds timeout) {
  return {Side::source, ErrorKind::unavailable,
          fmt::format("{} sent nothing for {}", peer, to_human(timeout))};
}

Error stuck_error(const std::string& peer, std::chrono::milliseconds timeout) {
  return {Side::source, ErrorKind::unavailable,
          fmt::format("{} took nothing for {}", peer, to_human(timeout))};
}

}  // namespace keyrewind::io
