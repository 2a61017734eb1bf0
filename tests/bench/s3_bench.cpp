// What the S3 store alone achieves, to be compared with other programs that move the same bytes.
//
//   s3_bench put|get FILE ENDPOINT BUCKET NAME CONNECTIONS
//
// `put` uploads the file as one object, read once from front to end; `get` downloads it in ranges,
// as a restore does. Keys come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY. Prints one line,
// "bytes N seconds S cpu_seconds C".
#include "base/clock.h"
#include "s3/s3_store.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

using keyrewind::SystemClock;
using keyrewind::s3::S3Options;
using keyrewind::s3::S3Store;

constexpr std::size_t kPiece = 1U << 20U;
constexpr std::uint64_t kRange = 8U << 20U;

class File {
 public:
  File(const std::string& path, int flags) : fd_(open(path.c_str(), flags | O_CLOEXEC, 0644)) {
    if (fd_ < 0) {
      throw std::runtime_error("cannot open " + path);
    }
  }
  ~File() { close(fd_); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  std::size_t read_some(std::span<std::byte> into) const {
    const ssize_t count = read(fd_, into.data(), into.size());
    if (count < 0) {
      throw std::runtime_error("cannot read the file");
    }
    return static_cast<std::size_t>(count);
  }

  void write_at(std::span<const std::byte> bytes, std::uint64_t offset) const {
    while (!bytes.empty()) {
      const ssize_t count = pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (count <= 0) {
        throw std::runtime_error("cannot write the file");
      }
      bytes = bytes.subspan(static_cast<std::size_t>(count));
      offset += static_cast<std::uint64_t>(count);
    }
  }

 private:
  const int fd_;
};

std::uint64_t put(S3Store& store, const std::string& path, const std::string& name) {
  const File file(path, O_RDONLY);
  const auto upload = store.upload(name, {});
  std::vector<std::byte> piece(kPiece);
  while (const std::size_t count = file.read_some(piece)) {
    upload->append(std::span(piece).first(count));
  }
  return upload->complete().bytes;
}

std::uint64_t get(const S3Store& store, const std::string& path, const std::string& name,
                  std::size_t connections) {
  const auto found = store.head(name, {});
  if (!found) {
    throw std::runtime_error("there is no " + name);
  }
  const File file(path, O_WRONLY | O_CREAT | O_TRUNC);
  std::atomic<std::uint64_t> next{0};
  std::atomic<bool> failed{false};
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < connections; ++i) {
      threads.emplace_back([&] {
        std::vector<std::byte> range(kRange);
        try {
          for (std::uint64_t offset = next.fetch_add(kRange); offset < found->bytes && !failed;
               offset = next.fetch_add(kRange)) {
            const auto part = std::span(range).first(std::min(kRange, found->bytes - offset));
            store.read(name, offset, part, {});
            file.write_at(part, offset);
          }
        } catch (const std::exception& error) {
          std::fprintf(stderr, "s3_bench: %s\n", error.what());
          failed = true;
        }
      });
    }
  }
  if (failed) {
    throw std::runtime_error("the download failed");
  }
  return found->bytes;
}

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

std::optional<std::string> from_environment(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

int run(const std::vector<std::string>& words) {
  const SystemClock clock;
  const std::size_t connections = std::stoul(words[5]);
  S3Options options;
  options.endpoint = words[2];
  options.bucket = words[3];
  options.path_style = true;
  options.connections = connections;
  options.credentials.environment = from_environment;
  S3Store store(options, clock);
  const auto start = std::chrono::steady_clock::now();
  const std::uint64_t bytes = words[0] == "put" ? put(store, words[1], words[4])
                                                : get(store, words[1], words[4], connections);
  const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - start;
  std::printf("bytes %llu seconds %.3f cpu_seconds %.3f\n", static_cast<unsigned long long>(bytes),
              wall.count(), cpu_seconds());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words.size() != 6 || (words[0] != "put" && words[0] != "get")) {
    std::fputs("usage: s3_bench put|get FILE ENDPOINT BUCKET NAME CONNECTIONS\n", stderr);
    return 2;
  }
  try {
    return run(words);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "s3_bench: %s\n", error.what());
    return 1;
  }
}
