#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace keyrewind::io {

/// Tells systemd how a service fares, by the protocol of sd_notify(3): datagrams to the socket that
/// NOTIFY_SOCKET names. Without one, which is so wherever else the program is started, nothing is
/// told. No call fails or waits: a service that cannot be heard goes on all the same. Any thread.
class ServiceManager {
 public:
  /// As the environment says: NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID.
  static ServiceManager from_environment();

  /// `socket` is a path, or "@" and the name of an abstract socket; empty: nobody listens.
  ServiceManager(std::string socket, std::optional<std::chrono::microseconds> watchdog);

  bool listens() const noexcept { return !socket_.empty(); }

  /// How long it waits for `alive` before it ends the service; nothing if it does not watch.
  std::optional<std::chrono::microseconds> watchdog() const noexcept { return watchdog_; }

  void ready() const;      ///< It is up; also after `reloading`.
  void reloading() const;  ///< It loads its configuration.
  void stopping() const;   ///< It ends.
  void alive() const;      ///< It does not hang.

  /// One line for `systemctl status`.
  void status(std::string_view text) const;

 private:
  void send(std::string_view message) const;

  std::string socket_;
  std::optional<std::chrono::microseconds> watchdog_;
};

}  // namespace keyrewind::io
