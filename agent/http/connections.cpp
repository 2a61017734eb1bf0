#include "http/connections.h"

#include <sys/socket.h>

#include <algorithm>
#include <utility>

namespace keyrewind::http {
namespace {

bool waits_for_client(const Connection& connection) {
  return !connection.doomed && connection.phase != Connection::Phase::working;
}

}  // namespace

void Connections::shut(Connection& connection) noexcept {
  ::shutdown(connection.fd, SHUT_RDWR);
  connection.doomed = true;
}

std::size_t Connections::size(bool over_tcp) const noexcept {
  std::size_t number = 0;
  for (const auto& [fd, connection] : by_fd_) {
    number += connection->over_tcp == over_tcp && !connection->doomed ? 1U : 0U;
  }
  return number;
}

bool Connections::is_anything_sent() const noexcept {
  return std::any_of(by_fd_.begin(), by_fd_.end(), [](const auto& entry) {
    const Connection& connection = *entry.second;
    return !connection.doomed && (connection.phase == Connection::Phase::working ||
                                  connection.phase == Connection::Phase::sending);
  });
}

bool Connections::make_room(bool over_tcp) {
  if (size(over_tcp) < (over_tcp ? max_over_tcp_ : max_local_)) {
    return true;
  }
  Connection* oldest = nullptr;
  for (const auto& [fd, connection] : by_fd_) {
    if (connection->over_tcp == over_tcp && connection->adopted && waits_for_client(*connection) &&
        (oldest == nullptr || connection->since < oldest->since)) {
      oldest = connection.get();
    }
  }
  if (oldest == nullptr) {
    return false;
  }
  shut(*oldest);
  return true;
}

Connection& Connections::add(int fd, Peer peer, bool over_tcp, Time now, Time deadline) {
  auto connection = std::make_unique<Connection>();
  connection->fd = fd;
  connection->peer = std::move(peer);
  connection->over_tcp = over_tcp;
  connection->since = now;
  connection->deadline = deadline;
  return *(by_fd_[fd] = std::move(connection));
}

Connection* Connections::find(int fd) noexcept {
  const auto found = by_fd_.find(fd);
  return found == by_fd_.end() ? nullptr : found->second.get();
}

std::size_t Connections::shut_expired(Time now) {
  std::size_t number = 0;
  for (const auto& [fd, connection] : by_fd_) {
    if (connection->adopted && waits_for_client(*connection) && connection->deadline <= now) {
      shut(*connection);
      ++number;
    }
  }
  return number;
}

std::optional<Connections::Time> Connections::next_deadline() const noexcept {
  std::optional<Time> next;
  for (const auto& [fd, connection] : by_fd_) {
    if (waits_for_client(*connection) && (!next || connection->deadline < *next)) {
      next = connection->deadline;
    }
  }
  return next;
}

}  // namespace keyrewind::http
