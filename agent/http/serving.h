#pragma once

#include "http/client.h"
#include "http/request_target.h"

#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <variant>

/// What a server gets and gives.
namespace keyrewind::http {

/// Who asks.
struct Peer {
  bool is_local = false;  ///< Over the unix socket, or from a loopback address.
  std::string address;    ///< "192.0.2.7", "2001:db8::7", or "unix".
};

struct ServedRequest {
  std::string method;  ///< As it was sent.
  std::string raw_target;
  RequestTarget target;
  Headers headers;  ///< Names in lower case.
  std::string body;
  Peer peer;

  /// The first header of that name (in lower case), or an empty text.
  const std::string& header(std::string_view name) const noexcept;
};

/// Of a HEAD the server sends all but the body.
struct ServedResponse {
  int status = 200;
  Headers headers{};
  std::string body{};
};

struct Later;
/// A response, or the wish to be asked again: no thread waits meanwhile.
using Answer = std::variant<ServedResponse, Later>;

struct Later {
  std::chrono::steady_clock::time_point when;
  std::function<Answer()> then;  ///< Called in the same way as the handler.
};

/// Answers requests. All members are called from several threads at once.
class Handler {
 public:
  virtual ~Handler() = default;

  /// Whether it needs neither a store nor much time: it is then answered though all threads for
  /// other requests are busy.
  virtual bool is_quick(const ServedRequest& request) const = 0;
  /// What it throws becomes a response of status 500 without any detail.
  virtual Answer handle(const ServedRequest& request) = 0;
  /// What the server itself refuses with: a body that is too large, a target that is none, and so
  /// on. `status` says which.
  virtual ServedResponse refuse(int status) const = 0;
};

}  // namespace keyrewind::http
