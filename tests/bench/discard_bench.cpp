// The floor of following a log: attaches as a replica and throws everything away until SIGTERM.
//
//   discard_bench ADDRESS      valkey://HOST:PORT, unix:///PATH, HOST:PORT or /PATH
//
// Acknowledges every second, as every replica does. Plain sockets and nothing of Keyrewind's on
// purpose.
#include "bench/plain_socket.h"

#include <poll.h>

#include <chrono>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

namespace {

using keyrewind::bench::connect_to;
using keyrewind::bench::fail;
using std::chrono::steady_clock;

void send_line(int fd, const std::string& line) {
  const std::string text = line + "\r\n";
  if (write(fd, text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    fail("write");
  }
}

/// Reads up to the end of a reply's line, one byte at a time, so that nothing behind it is taken.
void read_line(int fd) {
  char letter = 0;
  do {
    if (read(fd, &letter, 1) != 1) {
      fail("read");
    }
  } while (letter != '\n');
}

[[noreturn]] void discard(const std::string& address) {
  const int fd = connect_to(address);
  for (const char* command : {"REPLCONF listening-port -1", "REPLCONF capa eof capa psync2"}) {
    send_line(fd, command);
    read_line(fd);
  }
  send_line(fd, "PSYNC ? -1");
  constexpr std::size_t kBufferSize = 1 << 20;
  std::vector<char> buffer(kBufferSize);
  auto next_ack = steady_clock::now();
  while (true) {
    pollfd ready{fd, POLLIN, 0};
    if (poll(&ready, 1, 1000) > 0) {
      const ssize_t count = read(fd, buffer.data(), buffer.size());
      if (count <= 0) {
        fail("read");
      }
    }
    if (steady_clock::now() >= next_ack) {
      send_line(fd, "REPLCONF ACK 1");
      next_ack = steady_clock::now() + std::chrono::seconds(1);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: discard_bench valkey://HOST:PORT|unix:///PATH\n", stderr);
    return 2;
  }
  try {
    discard(argv[1]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "discard_bench: %s\n", error.what());
    return 1;
  }
}
