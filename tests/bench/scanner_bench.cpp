// Times the scanner, reading the file included, against the server's own checker:
//
//   scanner_bench FILE.rdb [REDIS-CHECK-RDB PROGRAM]
//
// In turns, so that what else the machine does hits both; the ratio is the median of the pairs.

#include "rdb/scanner.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace {

using namespace keyrewind;

constexpr int kPairs = 5;

double seconds_of(const std::function<void()>& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

rdb::Summary scan(const std::string& path, std::size_t piece) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  Bytes buffer(piece);
  rdb::Scanner scanner;
  ::off_t offset = 0;
  while (true) {
    const ::ssize_t got = ::pread(file, buffer.data(), buffer.size(), offset);
    if (got <= 0) {
      break;
    }
    scanner.feed(ByteView(buffer).first(static_cast<std::size_t>(got)));
    offset += got;
  }
  ::close(file);
  return scanner.finish();
}

/// Throws away what the program prints: a line every now and then, in both cases.
void check(const std::string& program, const std::string& path) {
  const ::pid_t child = ::fork();
  if (child == 0) {
    const int nowhere = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
    ::dup2(nowhere, STDOUT_FILENO);
    ::execlp(program.c_str(), program.c_str(), path.c_str(), nullptr);
    ::_exit(127);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    fmt::print(stderr, "{} failed on {}\n", program, path);
    std::exit(1);
  }
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    fmt::print(stderr, "usage: scanner_bench FILE.rdb [REDIS-CHECK-RDB PROGRAM]\n");
    return 2;
  }
  const std::string path = argv[1];
  if (!std::filesystem::is_regular_file(path)) {
    fmt::print(stderr, "scanner_bench: {} is no file\n", path);
    return 2;
  }
  constexpr std::size_t kPieceBytes = 256U << 10U;
  const double megabytes = static_cast<double>(std::filesystem::file_size(path)) / 1e6;
  const rdb::Summary summary = scan(path, kPieceBytes);  // Warms the page cache, too.
  fmt::print("{:.0f} MB, {} keys{}\n", megabytes, summary.keys(),
             summary.opaque() ? ", opaque: " + summary.opaque_reason : "");
  std::vector<double> ours;
  std::vector<double> theirs;
  std::vector<double> ratios;
  for (int i = 0; i < kPairs; ++i) {
    ours.push_back(seconds_of([&] { scan(path, kPieceBytes); }));
    if (argc > 2) {
      theirs.push_back(seconds_of([&] { check(argv[2], path); }));
      ratios.push_back(theirs.back() / ours.back());
    }
  }
  fmt::print("scanner with CRC64: {:.0f} MB/s\n", megabytes / median(ours));
  if (argc > 2) {
    fmt::print("{}: {:.0f} MB/s\nratio: {:.1f}\n", argv[2], megabytes / median(theirs),
               median(ratios));
  }
  return 0;
}
