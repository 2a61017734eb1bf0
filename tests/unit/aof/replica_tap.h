#pragma once

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>

namespace keyrewind::test {

/// A replica that only listens: takes a server's RDB, and then its stream as it comes, without a
/// line of the code under test. Throws std::runtime_error if nothing comes for 20 s.
class ReplicaTap {
 public:
  explicit ReplicaTap(const std::filesystem::path& socket) {
    Wire snapshot(socket);
    take_snapshot(snapshot);
    log_.emplace(socket);
    log_->send("REPLCONF capa eof capa psync2\r\n");
    log_->expect_line("+OK");
    log_->send("PSYNC " + replid_ + " " + std::to_string(offset_ + 1) + "\r\n");
    log_->expect_line("+CONTINUE");
  }

  const std::string& rdb() const { return rdb_; }
  /// Of the RDB; the stream begins there.
  std::int64_t offset() const { return offset_; }

  /// The stream up to `end`, from where the last call left off.
  std::string read_up_to(std::int64_t end) {
    const auto size = static_cast<std::size_t>(end - read_to_);
    read_to_ = end;
    return log_->read(size);
  }

 private:
  class Wire {
   public:
    explicit Wire(const std::filesystem::path& path) : fd_(socket(AF_UNIX, SOCK_STREAM, 0)) {
      sockaddr_un address{};
      address.sun_family = AF_UNIX;
      path.string().copy(static_cast<char*>(address.sun_path), sizeof address.sun_path - 1);
      const timeval limit{.tv_sec = 20, .tv_usec = 0};
      setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
      if (connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        throw std::runtime_error("can't connect to " + path.string());
      }
    }
    ~Wire() { close(fd_); }
    Wire(const Wire&) = delete;
    Wire& operator=(const Wire&) = delete;

    void send(std::string_view bytes) const {
      if (write(fd_, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) {
        throw std::runtime_error("can't send to the server");
      }
    }

    /// The next line that is not empty.
    std::string line() {
      std::string line;
      while (line.empty()) {
        while (buffer_.find('\n') == std::string::npos) {
          if (!fill()) {
            throw std::runtime_error("the server has closed the connection");
          }
        }
        line = buffer_.substr(0, buffer_.find('\n'));
        buffer_.erase(0, line.size() + 1);
        if (line.ends_with('\r')) {
          line.pop_back();
        }
      }
      return line;
    }

    void expect_line(const std::string& beginning) {
      if (const std::string said = line(); !said.starts_with(beginning)) {
        throw std::runtime_error("the server said " + said);
      }
    }

    std::string read(std::size_t size) {
      while (buffer_.size() < size) {
        if (!fill()) {
          throw std::runtime_error("the server has closed the connection");
        }
      }
      const std::string bytes = buffer_.substr(0, size);
      buffer_.erase(0, size);
      return bytes;
    }

    std::string read_to_end() {
      while (fill()) {
      }
      return buffer_;
    }

   private:
    bool fill() {
      std::array<char, 65536> bytes{};
      const ssize_t got = recv(fd_, bytes.data(), bytes.size(), 0);
      if (got < 0) {
        throw std::runtime_error("nothing comes from the server");
      }
      buffer_.append(bytes.data(), static_cast<std::size_t>(got));
      return got > 0;
    }

    int fd_;
    std::string buffer_;
  };

  void take_snapshot(Wire& wire) {
    constexpr std::string_view kMark = "$EOF:";
    wire.send("REPLCONF rdb-only 1 capa eof capa psync2\r\n");
    wire.expect_line("+OK");
    wire.send("PSYNC ? -1\r\n");
    std::istringstream words(wire.line());
    std::string answer;
    words >> answer >> replid_ >> offset_;
    const std::string header = wire.line();
    if (answer != "+FULLRESYNC" || !header.starts_with(kMark)) {
      throw std::runtime_error("no snapshot: " + answer + " " + header);
    }
    rdb_ = wire.read_to_end();
    rdb_.resize(rdb_.size() - (header.size() - kMark.size()));
    read_to_ = offset_;
  }

  std::string replid_;
  std::string rdb_;
  std::int64_t offset_ = 0;
  std::int64_t read_to_ = 0;
  std::optional<Wire> log_;
};

}  // namespace keyrewind::test
