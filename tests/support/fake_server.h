#pragma once

#include "support/temp_dir.h"

#include <cstdint>
#include <filesystem>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace keyrewind::test {

/// One thing that a FakeServer does with its connection.
struct Step {
  enum class Action { expect, send, send_each_byte, wait_for_close, next_connection };

  Action action = Action::send;
  std::string text = {};
};

/// Reads one command, which must have the words of `words`; an empty text takes any.
Step expect(std::string words);

/// Sends `bytes` and waits until the peer has read them all, so that what the next step sends
/// comes to the peer in another read. (That needs a Unix socket; over TCP it only sends.)
Step send(std::string bytes);

/// Like `send`, one byte at a time.
Step send_each_byte(std::string bytes);

/// Says nothing until the peer hangs up.
Step stay_silent();

/// Closes the connection and takes another, for a peer that comes more than once.
Step next_connection();

/// A server that takes one connection, plays a script and closes it, for what real servers do not
/// show on demand. It listens on a Unix socket or on a port of the loopback.
class FakeServer {
 public:
  enum class Transport { unix, tcp };

  explicit FakeServer(std::vector<Step> script, Transport transport = Transport::unix);
  ~FakeServer();
  FakeServer(const FakeServer&) = delete;
  FakeServer& operator=(const FakeServer&) = delete;

  std::filesystem::path socket_path() const { return folder_ / "s"; }
  std::uint16_t port() const noexcept { return port_; }

  /// Waits for the end of the script. Returns what went otherwise than scripted, or nothing.
  std::string finish();

 private:
  void listen_on_unix();
  void listen_on_tcp();
  void serve();
  void accept_connection();
  void close_connection();
  void play(const Step& step);
  void expect_command(const std::string& words);
  void send_and_wait(const std::string& bytes) const;
  std::string read_line();
  std::string read_bytes(std::size_t count);
  void fill();

  TempDir folder_;
  std::vector<Step> script_;
  std::uint16_t port_ = 0;
  int listening_ = -1;
  std::mutex mutex_;  ///< Guards `connection_` and `given_up_` between `serve` and the destructor.
  int connection_ = -1;
  bool given_up_ = false;
  std::string buffer_;
  std::string problem_;
  std::jthread thread_;
};

}  // namespace keyrewind::test
