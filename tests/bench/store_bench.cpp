// One object to or from a repository, as the agent moves it: wall time, CPU time and memory.
//
//   store_bench put FILE URL NAME [CONNECTIONS [PART_MIB]]
//   store_bench get URL NAME FILE [CONNECTIONS [PART_MIB]]
//
// URL is s3://bucket/prefix or file:///folder. For S3, AWS_ENDPOINT_URL names the server, and keys
// and region come from where AWS's tools take them.
#include "base/clock.h"
#include "base/error.h"
#include "flow/group.h"
#include "storage/open.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using keyrewind::Bytes;
using keyrewind::ByteView;

struct Settings {
  std::size_t connections = 4;
  std::size_t part_bytes = 8U << 20U;
};

class File {
 public:
  File(const std::string& path, int flags) : fd_(::open(path.c_str(), flags | O_CLOEXEC, 0600)) {
    if (fd_ < 0) {
      throw std::runtime_error("can't open " + path);
    }
  }
  ~File() { ::close(fd_); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  std::size_t read(Bytes& into) const {
    const ssize_t count = ::read(fd_, into.data(), into.size());
    if (count < 0) {
      throw std::runtime_error("can't read the file");
    }
    return static_cast<std::size_t>(count);
  }

  void write_at(std::uint64_t offset, ByteView bytes) const {
    if (::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset)) !=
        static_cast<ssize_t>(bytes.size())) {
      throw std::runtime_error("can't write the file");
    }
  }

 private:
  const int fd_;
};

std::optional<std::string> variable(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

std::unique_ptr<keyrewind::store::ObjectStore> open(const std::string& url,
                                                    const Settings& settings,
                                                    const keyrewind::Clock& clock) {
  keyrewind::storage::StorageOptions options;
  options.url = url;
  options.s3.endpoint = variable("AWS_ENDPOINT_URL").value_or("");
  options.s3.credentials.environment = variable;
  options.s3.connections = settings.connections;
  options.s3.part_bytes = settings.part_bytes;
  return keyrewind::storage::open(options, clock);
}

std::uint64_t put(keyrewind::store::ObjectStore& store, const std::string& path,
                  const std::string& name) {
  const File file(path, O_RDONLY);
  const auto upload = store.upload(name, {});
  Bytes piece(1U << 20U);
  while (const std::size_t count = file.read(piece)) {
    upload->append(ByteView(piece).first(count));
  }
  return upload->complete().bytes;
}

std::uint64_t get(const keyrewind::store::ObjectStore& store, const std::string& name,
                  const std::string& path, const Settings& settings) {
  const File file(path, O_WRONLY | O_CREAT | O_TRUNC);
  const auto object = store.head(name, {});
  if (!object) {
    throw std::runtime_error("there is no " + name);
  }
  std::atomic<std::uint64_t> next{0};
  keyrewind::flow::Group readers{std::stop_token{}};
  for (std::size_t i = 0; i < settings.connections; ++i) {
    readers.spawn("reader", [&](const std::stop_token& stop) {
      Bytes piece(settings.part_bytes);
      for (std::uint64_t at = next.fetch_add(piece.size()); at < object->bytes;
           at = next.fetch_add(piece.size())) {
        const auto count = std::min<std::uint64_t>(piece.size(), object->bytes - at);
        const auto into = std::span(piece).first(static_cast<std::size_t>(count));
        store.read(name, at, into, stop);
        file.write_at(at, into);
      }
    });
  }
  readers.wait();
  return object->bytes;
}

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

int run(const std::vector<std::string>& words) {
  const bool putting = words.size() >= 4 && words[0] == "put";
  if (words.size() < 4 || (!putting && words[0] != "get")) {
    std::fputs(
        "usage: store_bench put FILE URL NAME | get URL NAME FILE, then [CONNECTIONS [PART_MIB]]\n",
        stderr);
    return 2;
  }
  Settings settings;
  if (words.size() > 4) {
    settings.connections = std::stoul(words[4]);
  }
  if (words.size() > 5) {
    settings.part_bytes = std::stoul(words[5]) << 20U;
  }
  const keyrewind::SystemClock clock;
  const auto store = open(words[putting ? 2 : 1], settings, clock);
  const auto began = std::chrono::steady_clock::now();
  const std::uint64_t bytes =
      putting ? put(*store, words[1], words[3]) : get(*store, words[2], words[3], settings);
  const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - began;
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const double cpu = seconds(usage.ru_utime) + seconds(usage.ru_stime);
  const double gigabytes = static_cast<double>(bytes) / 1e9;
  std::printf("%.3f GB in %.3f s (%.0f MB/s), CPU %.3f s (%.3f s/GB), %ld MiB of memory\n",
              gigabytes, wall.count(), gigabytes * 1000 / wall.count(), cpu, cpu / gigabytes,
              usage.ru_maxrss / 1024);
  return 0;
}

}  // namespace

int main(int count, char** words) {
  try {
    return run(std::vector<std::string>(words + 1, words + count));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "store_bench: %s\n", error.what());
    return 1;
  }
}
