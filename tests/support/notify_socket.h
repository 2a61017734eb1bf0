#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace keyrewind::test {

/// The socket on which systemd would listen to a service.
class NotifySocket {
 public:
  /// At a path, or, if it begins with "@", of that abstract name.
  explicit NotifySocket(const std::string& address);
  ~NotifySocket();
  NotifySocket(const NotifySocket&) = delete;
  NotifySocket& operator=(const NotifySocket&) = delete;

  const std::string& address() const noexcept { return address_; }

  /// The next datagram; nothing if none comes within `limit`.
  std::optional<std::string> receive(std::chrono::milliseconds limit = std::chrono::seconds(30));

  /// Reads datagrams until one is `message`, and gives those before it; throws std::runtime_error
  /// with them after `limit`.
  std::vector<std::string> wait_for(const std::string& message,
                                    std::chrono::milliseconds limit = std::chrono::seconds(60));

 private:
  std::string address_;
  int fd_ = -1;
};

}  // namespace keyrewind::test
