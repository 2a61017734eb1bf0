#include "io/service_manager.h"

#include "io/fd.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace keyrewind::io {
namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::optional<std::uint64_t> number(const std::string& text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(value)
                                                                  : std::nullopt;
}

}  // namespace

ServiceManager ServiceManager::from_environment() {
  std::optional<std::chrono::microseconds> watchdog;
  const auto interval = number(variable("WATCHDOG_USEC"));
  const auto watched = number(variable("WATCHDOG_PID"));
  const bool is_ours = !watched || *watched == static_cast<std::uint64_t>(::getpid());
  if (interval && *interval > 0 && is_ours) {
    watchdog = std::chrono::microseconds(*interval);
  }
  return {variable("NOTIFY_SOCKET"), watchdog};
}

ServiceManager::ServiceManager(std::string socket,
                               std::optional<std::chrono::microseconds> watchdog)
    : socket_(std::move(socket)), watchdog_(watchdog) {
  const bool is_address = socket_.starts_with('/') || socket_.starts_with('@');
  if (!is_address || socket_.size() >= sizeof(sockaddr_un::sun_path)) {
    socket_.clear();
  }
}

void ServiceManager::ready() const {
  send("READY=1");
}

void ServiceManager::reloading() const {
  send("RELOADING=1");
}

void ServiceManager::stopping() const {
  send("STOPPING=1");
}

void ServiceManager::alive() const {
  send("WATCHDOG=1");
}

void ServiceManager::status(std::string_view text) const {
  std::string line = "STATUS=" + std::string(text);
  std::ranges::replace(line, '\n', ' ');
  send(line);
}

void ServiceManager::send(std::string_view message) const {
  if (socket_.empty()) {
    return;
  }
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, socket_.data(), socket_.size());
  if (socket_.front() == '@') {
    address.sun_path[0] = '\0';
  }
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket_.size());
  const Fd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (fd) {
    // A manager that takes nothing now must not hold the service up.
    ::sendto(fd.number(), message.data(), message.size(), MSG_NOSIGNAL,
             reinterpret_cast<const sockaddr*>(&address), length);
  }
}

}  // namespace keyrewind::io
