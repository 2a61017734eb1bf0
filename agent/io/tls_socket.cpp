#include "base/clock.h"
#include "io/connect.h"
#include "io/socket.h"
#include "io/tls_context.h"
#include "io/waiter.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>

#include <cerrno>
#include <optional>
#include <utility>

namespace keyrewind::io {

namespace {

using std::chrono::steady_clock;

/// A connected TLS stream over TCP.
class TlsSocket final : public Socket {
 public:
  TlsSocket(Fd socket, const TlsOptions& options, const std::string& host, std::string peer,
            Waiter waiter)
      : socket_(std::move(socket)),
        name_(options.server_name.empty() ? host : options.server_name),
        peer_(std::move(peer)),
        waiter_(std::move(waiter)),
        context_(make_tls_context(options)),
        tls_(make_tls(*context_, socket_.number(), name_)) {}

  /// To be called once, before anything else.
  void handshake(Deadline deadline, std::chrono::milliseconds timeout, const std::stop_token& stop);

  std::size_t read_some(std::span<std::byte> into, std::chrono::milliseconds timeout,
                        std::stop_token stop) override;
  std::optional<std::size_t> read_arrived(std::span<std::byte> into) override;
  bool wait_for_more(std::chrono::milliseconds timeout, std::stop_token stop) override;
  void wake() noexcept override { waiter_.wake(); }
  void write_all(ByteView bytes, std::chrono::milliseconds timeout, std::stop_token stop) override;
  void prefer_throughput() override {}

 private:
  std::size_t read_what_is_there(std::span<std::byte> into);
  bool wait_for(int why, Deadline deadline, const std::stop_token& stop);
  Error failure(int why, const std::string& doing) const;
  Error write_failure(int why);

  Fd socket_;
  std::string name_;  ///< That the peer's certificate has to have.
  std::string peer_;
  Waiter waiter_;
  TlsContext context_;
  Tls tls_;
  bool closed_ = false;
  int waits_for_ = SSL_ERROR_NONE;  ///< What the last read that found nothing needs.
  std::optional<Error> deferred_;   ///< Came behind bytes that were handed out first.
};

void TlsSocket::handshake(Deadline deadline, std::chrono::milliseconds timeout,
                          const std::stop_token& stop) {
  while (true) {
    ERR_clear_error();
    errno = 0;
    const int result = SSL_connect(tls_.get());
    if (result == 1) {
      return;
    }
    const int why = SSL_get_error(tls_.get(), result);
    if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) {
      throw failure(why, "TLS with");
    }
    if (!wait_for(why, deadline, stop)) {
      throw Error(Side::source, ErrorKind::unavailable,
                  fmt::format("{} did not finish the TLS handshake within {}; if it does not "
                              "speak TLS, write valkey:// or redis://",
                              peer_, to_human(timeout)));
    }
  }
}

std::size_t TlsSocket::read_some(std::span<std::byte> into, std::chrono::milliseconds timeout,
                                 std::stop_token stop) {
  throw_if_stopped(stop);
  const Deadline deadline = steady_clock::now() + timeout;
  while (true) {
    if (const auto got = read_arrived(into)) {
      return *got;
    }
    if (!wait_for(waits_for_, deadline, stop)) {
      throw silence_error(peer_, timeout);
    }
  }
}

std::optional<std::size_t> TlsSocket::read_arrived(std::span<std::byte> into) {
  std::size_t got = 0;
  if (!deferred_) {
    got = read_what_is_there(into);
  }
  if (got > 0 || closed_) {
    return got;
  }
  if (deferred_) {
    throw *std::exchange(deferred_, std::nullopt);
  }
  return std::nullopt;
}

bool TlsSocket::wait_for_more(std::chrono::milliseconds timeout, std::stop_token stop) {
  const short events = waits_for_ == SSL_ERROR_WANT_WRITE ? POLLOUT : POLLIN;
  return waiter_.wait_unless_woken(socket_.number(), events, steady_clock::now() + timeout, stop);
}

/// Reads record after record, as each is at most 16 KiB, until there is no more or `into` is full.
std::size_t TlsSocket::read_what_is_there(std::span<std::byte> into) {
  std::size_t filled = 0;
  while (filled < into.size() && !closed_) {
    ERR_clear_error();
    errno = 0;
    std::size_t got = 0;
    const int result = SSL_read_ex(tls_.get(), into.data() + filled, into.size() - filled, &got);
    if (result == 1) {
      filled += got;
      continue;
    }
    waits_for_ = SSL_get_error(tls_.get(), result);
    if (waits_for_ == SSL_ERROR_WANT_READ || waits_for_ == SSL_ERROR_WANT_WRITE) {
      break;
    }
    if (waits_for_ == SSL_ERROR_ZERO_RETURN) {
      closed_ = true;
      break;
    }
    deferred_ = failure(waits_for_, "read from");
    break;
  }
  return filled;
}

void TlsSocket::write_all(ByteView bytes, std::chrono::milliseconds timeout, std::stop_token stop) {
  throw_if_stopped(stop);
  const Deadline deadline = steady_clock::now() + timeout;
  while (!bytes.empty()) {
    ERR_clear_error();
    errno = 0;
    std::size_t sent = 0;
    const int result = SSL_write_ex(tls_.get(), bytes.data(), bytes.size(), &sent);
    if (result == 1) {
      bytes = bytes.subspan(sent);
      continue;
    }
    const int why = SSL_get_error(tls_.get(), result);
    if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) {
      throw write_failure(why);
    }
    if (!wait_for(why, deadline, stop)) {
      throw stuck_error(peer_, timeout);
    }
  }
}

bool TlsSocket::wait_for(int why, Deadline deadline, const std::stop_token& stop) {
  const short events = why == SSL_ERROR_WANT_WRITE ? POLLOUT : POLLIN;
  return waiter_.wait(socket_.number(), events, deadline, stop);
}

Error TlsSocket::failure(int why, const std::string& doing) const {
  const int number = errno;
  const bool is_closed = why == SSL_ERROR_ZERO_RETURN || (why == SSL_ERROR_SYSCALL && number == 0);
  if (is_closed) {
    return {Side::source, ErrorKind::unavailable,
            fmt::format("{} {}: the peer closed the connection", doing, peer_)};
  }
  return why == SSL_ERROR_SYSCALL ? socket_error(doing, peer_, number)
                                  : tls_error(*tls_, doing, peer_, name_);
}

/// With TLS 1.3 a server says only after the handshake that it does not take our certificate, and
/// hangs up; its reason is then still to be read when our write fails.
Error TlsSocket::write_failure(int why) {
  Error of_write = failure(why, "write to");
  ERR_clear_error();
  std::byte ignored{};
  std::size_t got = 0;
  if (SSL_read_ex(tls_.get(), &ignored, 1, &got) != 1 && refuses_our_certificate()) {
    return tls_error(*tls_, "read from", peer_, name_);
  }
  ERR_clear_error();
  return of_write;
}

}  // namespace

std::unique_ptr<Socket> connect_tls(const std::string& host, std::uint16_t port,
                                    const TlsOptions& options, std::chrono::milliseconds timeout,
                                    std::stop_token stop) {
  const Deadline deadline = steady_clock::now() + timeout;
  Waiter waiter;
  Fd connection = open_tcp(host, port, deadline, waiter, stop);
  auto socket = std::make_unique<TlsSocket>(std::move(connection), options, host,
                                            host_and_port(host, port), std::move(waiter));
  socket->handshake(deadline, timeout, stop);
  return socket;
}

}  // namespace keyrewind::io
