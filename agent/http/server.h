#pragma once

#include "http/serving.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

namespace keyrewind::http {

struct ServerOptions {
  std::string listen{};  ///< "0.0.0.0:8379", "[::]:8379", ":8379", port 0 for any; empty: no TCP.
  std::filesystem::path socket{};     ///< Of a unix socket; empty: none.
  std::filesystem::path cert_file{};  ///< PEM, the chain; empty: no TLS on the TCP port.
  std::filesystem::path key_file{};   ///< PEM.

  std::size_t max_connections = 256;   ///< Over TCP; over the unix socket kMaxLocal more.
  std::size_t max_body = 256U << 10U;  ///< Bytes of a request.
  std::chrono::milliseconds head_timeout{15000};  ///< Between connect or answer, and a whole head.
  std::chrono::milliseconds body_timeout{30000};  ///< For the body behind it.
  std::chrono::milliseconds send_timeout{60000};  ///< Until the answer has been taken.
  std::chrono::milliseconds stop_patience{3000};  ///< For answers on their way at the end.
};

inline constexpr std::size_t kMaxLocal = 64;

/// An HTTP/1.1 server on one TCP port and one unix socket: libmicrohttpd reads and writes, one
/// thread drives it, one handles quick requests and two the others.
///
/// However many connections come in, it holds no more than its bound: a newcomer displaces the one
/// that has waited longest without a whole request, and is turned away if all are being answered.
/// TLS certificates are read again when their files change; what can't be used is logged, and the
/// old ones go on.
class Server {
 public:
  /// Listens. `handler` must outlive the server. Throws what parse_listen_address, listen_on and
  /// UnixListener throw, and Error(config) for a certificate or key that can't be used.
  Server(ServerOptions options, Handler& handler);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// Of the TCP listener; nothing if there is none.
  std::optional<std::uint16_t> port() const noexcept;

  /// Connections that it has now. Any thread.
  std::size_t open_connections() const noexcept;

  /// Serves until `stop` is requested, then finishes the answers that are on their way.
  void run(std::stop_token stop);

 private:
  class Work;
  std::unique_ptr<Work> work_;
};

}  // namespace keyrewind::http
