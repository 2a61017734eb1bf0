#pragma once

#include "base/bytes.h"
#include "flow/rate_limit.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace keyrewind::http {

/// In the order in which they are sent. Names in any case.
using Headers = std::vector<std::pair<std::string, std::string>>;

struct Request {
  std::string method = "GET";
  std::string url;  ///< Sent as it stands: nothing is encoded, decoded or normalised.
  Headers headers{};
  ByteView body{};                     ///< Must outlive the call.
  std::span<std::byte> into{};         ///< Where a 2xx body goes; empty: into Response::body.
  std::uint64_t max_body = 16U << 20;  ///< Of Response::body.
  /// In place of the client's: for what a server may have to think about for long.
  std::optional<std::chrono::milliseconds> stall_timeout{};
};

struct Response {
  int status = 0;
  Headers headers{};           ///< Names in lower case.
  Bytes body{};                ///< If the request had no `into`, or status is not 2xx.
  std::uint64_t received = 0;  ///< Bytes of body, wherever they went.
  std::chrono::microseconds duration{};

  /// The first header of that name (in lower case), or an empty text.
  const std::string& header(std::string_view name) const noexcept;
};

struct ClientOptions {
  std::string ca_file;  ///< PEM; empty: the system's.
  std::chrono::milliseconds connect_timeout{5000};
  /// A transfer that moves fewer than 1 KiB a second for so long is given up. It does not count
  /// while a rate limit holds the transfer back.
  std::chrono::milliseconds stall_timeout{10000};
  std::chrono::milliseconds total_timeout{0};  ///< Of one request; 0: none.
  std::string unix_socket{};  ///< Connect there, whatever host the URL names; empty: to the host.
  bool use_proxy = true;      ///< From https_proxy, http_proxy, no_proxy, as curl reads them.
  flow::RateLimit* upload_limit = nullptr;  ///< Over all clients that share it.
  flow::RateLimit* download_limit = nullptr;
};

/// HTTP/1.1 over libcurl. Connections are kept and used again. All members may be called from any
/// thread at once; each call uses one connection.
class Client {
 public:
  explicit Client(ClientOptions options);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  /// Sends the request and waits for the whole answer, whatever its status. No redirect is
  /// followed, and but for GET and HEAD nothing is ever sent twice.
  ///
  /// Throws Error(Side::repository, unavailable) when no complete answer came: the connection
  /// failed, broke, stalled or its bytes were cut short. Whether the server acted on the request is
  /// then unknown. Throws denied where TLS does not trust the peer, config where the CA file can't
  /// be used or the URL is none, protocol where a body is longer than `into` or `max_body`, and
  /// Error(cancelled) soon after `stop` is requested. Messages name the host; none holds a header,
  /// a query or a body: they may hold secrets.
  Response send(const Request& request, std::stop_token stop);

 private:
  class Work;
  std::unique_ptr<Work> work_;
};

}  // namespace keyrewind::http
