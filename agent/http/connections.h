#pragma once

#include "http/serving.h"

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <unordered_map>

namespace keyrewind::http {

/// One connection to the server.
struct Connection {
  using Time = std::chrono::steady_clock::time_point;

  enum class Phase {
    head,     ///< The client is to send a request.
    body,     ///< And its body.
    working,  ///< We are to answer.
    sending,  ///< The client is to take the answer.
  };

  int fd = -1;
  Peer peer;
  bool over_tcp = false;
  bool adopted = false;  ///< By libmicrohttpd: until then `fd` may not be ours any more.
  bool doomed = false;   ///< Shut down; about to be removed.
  Phase phase = Phase::head;
  Time since{};     ///< When we began to wait for the client.
  Time deadline{};  ///< Does not count while it is `working`.
};

/// The connections that a server has, and which of them must go. For one thread.
class Connections {
 public:
  using Time = Connection::Time;

  Connections(std::size_t max_over_tcp, std::size_t max_local)
      : max_over_tcp_(max_over_tcp), max_local_(max_local) {}

  /// Makes room for one more. Shuts down the one that has waited longest for its client if need be.
  /// False if there is none: all are being answered.
  bool make_room(bool over_tcp);

  Connection& add(int fd, Peer peer, bool over_tcp, Time now, Time deadline);
  /// Nothing if it isn't there.
  Connection* find(int fd) noexcept;
  void remove(int fd) noexcept { by_fd_.erase(fd); }

  /// Shuts down those whose clients are too late. Returns how many.
  std::size_t shut_expired(Time now);

  /// When the next one will be too late; nothing if there is none.
  std::optional<Time> next_deadline() const noexcept;

  /// Whether any client is still to take its answer.
  bool is_anything_sent() const noexcept;
  std::size_t size(bool over_tcp) const noexcept;

 private:
  static void shut(Connection& connection) noexcept;

  const std::size_t max_over_tcp_;
  const std::size_t max_local_;
  std::unordered_map<int, std::unique_ptr<Connection>> by_fd_;
};

}  // namespace keyrewind::http
