#pragma once

#include "replica/connection.h"
#include "support/temp_dir.h"
#include "unit/replica/fake_source.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace keyrewind::backup {

/// A primary whose stream a test writes by hand, and whose acknowledgements it reads. It takes one
/// connection and continues from wherever it is asked to.
class FakePrimary {
 public:
  /// `replid` is the one that it continues under.
  explicit FakePrimary(std::string replid) : replid_(std::move(replid)) {
    listening_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = (folder_ / "s").string();
    std::memcpy(static_cast<char*>(address.sun_path), path.c_str(), path.size() + 1);
    if (::bind(listening_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
        ::listen(listening_, 1) != 0) {
      throw std::runtime_error("the fake primary cannot listen");
    }
    thread_ = std::jthread([this] { serve(); });
  }

  ~FakePrimary() {
    ::shutdown(listening_, SHUT_RDWR);
    hang_up();
    thread_.join();
    ::close(listening_);
    if (connection_ >= 0) {
      ::close(connection_);
    }
  }
  FakePrimary(const FakePrimary&) = delete;
  FakePrimary& operator=(const FakePrimary&) = delete;

  replica::SourceOptions options() const {
    replica::SourceOptions options;
    options.address.transport = replica::Address::Transport::unix;
    options.address.path = (folder_ / "s").string();
    options.connect_timeout = std::chrono::seconds(20);
    options.silence_timeout = std::chrono::seconds(60);
    return options;
  }

  void send(const std::string& bytes) {
    std::size_t done = 0;
    while (done < bytes.size()) {
      const ssize_t sent =
          ::send(connection(), bytes.data() + done, bytes.size() - done, MSG_NOSIGNAL);
      if (sent <= 0) {
        return;  // The peer has gone.
      }
      done += static_cast<std::size_t>(sent);
    }
  }

  /// The peer reads the end behind what was sent.
  void hang_up() {
    const std::lock_guard lock(mutex_);
    gone_ = true;
    if (connection_ >= 0) {
      ::shutdown(connection_, SHUT_RDWR);
    }
  }

  /// Ends the stream, but goes on taking acknowledgements.
  void end_stream() { ::shutdown(connection(), SHUT_WR); }

  /// The last acknowledgement, received and durable; -1 before the first.
  std::pair<std::int64_t, std::int64_t> acknowledged() const {
    const std::lock_guard lock(mutex_);
    return acknowledged_;
  }

 private:
  int connection() const {
    const std::lock_guard lock(mutex_);
    return connection_;
  }

  void serve() {
    const int connection = ::accept4(listening_, nullptr, nullptr, SOCK_CLOEXEC);
    if (connection < 0) {
      return;
    }
    {
      const std::lock_guard lock(mutex_);
      connection_ = connection;
      if (gone_) {
        return;
      }
    }
    std::string buffer;
    while (true) {
      while (const auto words = take_command(buffer)) {
        answer(*words);
      }
      std::array<char, 4096> piece{};
      const ssize_t got = ::recv(connection, piece.data(), piece.size(), 0);
      if (got <= 0) {
        return;
      }
      buffer.append(piece.data(), static_cast<std::size_t>(got));
    }
  }

  void answer(const std::vector<std::string>& words) {
    if (words.at(0) == "HELLO") {
      send(replica::greeting_of("valkey", "8.1.1"));
    } else if (words.at(0) == "PSYNC") {
      send("+CONTINUE " + replid_ + "\r\n");
    } else if (words.at(1) != "ACK") {
      send("+OK\r\n");
    } else {
      const std::lock_guard lock(mutex_);
      acknowledged_ = {std::stoll(words.at(2)), std::stoll(words.at(4))};
    }
  }

  /// Takes a whole command off the front of `buffer`.
  static std::optional<std::vector<std::string>> take_command(std::string& buffer) {
    std::size_t at = 0;
    const auto number = [&]() -> std::optional<std::size_t> {
      const std::size_t end = buffer.find("\r\n", at);
      if (end == std::string::npos) {
        return std::nullopt;
      }
      const std::size_t value = std::stoul(buffer.substr(at + 1, end - at - 1));
      at = end + 2;
      return value;
    };
    std::vector<std::string> words;
    const auto count = number();
    for (std::size_t i = 0; count && i < *count; ++i) {
      const auto size = number();
      if (!size || buffer.size() < at + *size + 2) {
        return std::nullopt;
      }
      words.push_back(buffer.substr(at, *size));
      at += *size + 2;
    }
    if (!count) {
      return std::nullopt;
    }
    buffer.erase(0, at);
    return words;
  }

  const test::TempDir folder_;
  const std::string replid_;
  int listening_ = -1;
  mutable std::mutex mutex_;  ///< Guards what follows.
  int connection_ = -1;
  bool gone_ = false;
  std::pair<std::int64_t, std::int64_t> acknowledged_{-1, -1};
  std::jthread thread_;
};

}  // namespace keyrewind::backup
