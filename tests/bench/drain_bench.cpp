// The floor of a backup: takes the snapshot of a server as a replica and throws it away.
//
//   drain_bench ADDRESS      valkey://HOST:PORT, unix:///PATH, HOST:PORT or /PATH
//
// Prints one line, "bytes N seconds S cpu_seconds C", where C is this process's own user and system
// time. Plain sockets and nothing of Keyrewind's on purpose.
#include "bench/plain_socket.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace {

using keyrewind::bench::connect_to;
using keyrewind::bench::fail;

constexpr std::size_t kBufferSize = 1 << 20;
constexpr std::size_t kMarkSize = 40;  ///< Of `$EOF:`, by the replication protocol.

/// The connection, read through one buffer.
class Drain {
 public:
  explicit Drain(int fd) : fd_(fd), buffer_(kBufferSize) {}

  void command(const std::string& line) {
    const std::string text = line + "\r\n";
    if (write(fd_, text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
      fail("write");
    }
  }

  /// The next line that is not one of the newlines by which the server keeps the link alive.
  std::string line() {
    std::string text;
    while (text.empty() || text.back() != '\n') {
      text += next();
      if (text == "\n") {
        text.clear();
      }
    }
    text.resize(text.find_last_not_of("\r\n") + 1);
    if (text.starts_with('-')) {
      throw std::runtime_error("the server said " + text);
    }
    return text;
  }

  /// Throws `length` bytes away.
  std::uint64_t skip(std::uint64_t length) {
    std::uint64_t seen = end_ - begin_;
    while (seen < length) {
      seen += fill();
    }
    return length;
  }

  /// Throws everything up to `mark` away, which is the last thing that comes.
  std::uint64_t skip_to(std::string_view mark) {
    std::string tail(piece());
    std::uint64_t seen = tail.size();
    while (!tail.ends_with(mark)) {
      seen += fill();
      const std::string_view bytes = piece();
      tail.append(bytes.substr(bytes.size() - std::min(bytes.size(), kMarkSize)));
      tail.erase(0, tail.size() - std::min(tail.size(), kMarkSize));
    }
    return seen - mark.size();
  }

 private:
  std::string_view piece() const { return {buffer_.data() + begin_, end_ - begin_}; }

  char next() {
    if (begin_ == end_) {
      fill();
    }
    return buffer_[begin_++];
  }

  std::size_t fill() {
    const ssize_t count = read(fd_, buffer_.data(), buffer_.size());
    if (count < 0) {
      fail("read");
    }
    if (count == 0) {
      throw std::runtime_error("the server closed the connection too early");
    }
    begin_ = 0;
    end_ = static_cast<std::size_t>(count);
    return end_;
  }

  int fd_;
  std::vector<char> buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

std::uint64_t drain(const std::string& address) {
  Drain connection(connect_to(address));
  for (const char* command : {"REPLCONF rdb-only 1", "REPLCONF capa eof", "PSYNC ? -1"}) {
    connection.command(command);
    connection.line();
  }
  const std::string header = connection.line();
  constexpr std::string_view kMarked = "$EOF:";
  if (header.starts_with(kMarked)) {
    return connection.skip_to(header.substr(kMarked.size()));
  }
  return connection.skip(std::stoull(header.substr(1)));
}

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: drain_bench valkey://HOST:PORT|unix:///PATH\n", stderr);
    return 2;
  }
  try {
    const auto start = std::chrono::steady_clock::now();
    const std::uint64_t bytes = drain(argv[1]);
    const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - start;
    std::printf("bytes %llu seconds %.3f cpu_seconds %.3f\n",
                static_cast<unsigned long long>(bytes), wall.count(), cpu_seconds());
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "drain_bench: %s\n", error.what());
    return 1;
  }
}
