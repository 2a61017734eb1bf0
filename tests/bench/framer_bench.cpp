// Times the framer, and what is built on it, over a replication stream in memory:
//
//   framer_bench [FILE]      a stream as the server sent it; else only synthetic ones
//
// Every iteration goes through the whole stream in pieces as large as a socket gives.

#include "aof/command_reader.h"
#include "aof/framer.h"
#include "aof/increment.h"
#include "base/error.h"

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <functional>
#include <iterator>
#include <random>
#include <string>
#include <vector>

namespace {

using namespace keyrewind;

constexpr std::size_t kStreamBytes = 64U << 20U;  ///< Larger than the caches.
constexpr std::size_t kPieceBytes = 256U << 10U;

void append(std::string& stream, const std::vector<std::string>& words) {
  fmt::format_to(std::back_inserter(stream), "*{}\r\n", words.size());
  for (const std::string& word : words) {
    fmt::format_to(std::back_inserter(stream), "${}\r\n{}\r\n", word.size(), word);
  }
}

/// What `redis-benchmark -t set -r 1000000` makes: commands of 45 bytes.
std::string benchmark_stream() {
  std::mt19937 random(1);
  std::string stream;
  stream.reserve(kStreamBytes + kPieceBytes);
  while (stream.size() < kStreamBytes) {
    append(stream, {"SET", fmt::format("key:{:012}", random() % 1000000), "xxx"});
  }
  return stream;
}

/// Commands of many kinds and sizes, now and then in transactions.
std::string mixed_stream() {
  std::mt19937 random(1);
  std::string stream;
  stream.reserve(kStreamBytes + kPieceBytes);
  const auto key = [&] { return fmt::format("user:{}:profile", random() % 100000); };
  const auto value = [&](std::size_t most) { return std::string(random() % most, 'v'); };
  const std::vector<std::function<void()>> kinds = {
      [&] {
        append(stream, {"SET", key(), value(200), "PXAT", "1790000000000"});
      },
      [&] {
        append(stream, {"HSET", key(), "name", value(30), "seen", value(12)});
      },
      [&] {
        append(stream, {"ZADD", "scores", std::to_string(random()), key()});
      },
      [&] {
        append(stream, {"LPUSH", "queue", value(1500)});
      },
      [&] {
        append(stream, {"DEL", key()});
      },
      [&] {
        append(stream, {"INCRBY", key(), "1"});
      },
      [&] {
        append(stream, {"PEXPIREAT", key(), "1790000000000"});
      },
      [&] {
        append(stream, {"SELECT", std::to_string(random() % 16)});
      },
      [&] {
        append(stream, {"MULTI"});
        append(stream, {"RPUSH", key(), value(40), value(40)});
        append(stream, {"SADD", "seen", key()});
        append(stream, {"EXEC"});
      },
  };
  while (stream.size() < kStreamBytes) {
    kinds[random() % kinds.size()]();
  }
  return stream;
}

template <typename Feed>
void in_pieces(const std::string& stream, const Feed& feed) {
  ByteView rest = as_bytes(stream);
  while (!rest.empty()) {
    const ByteView piece = rest.first(std::min(kPieceBytes, rest.size()));
    feed(piece);
    rest = rest.subspan(piece.size());
  }
}

std::uint64_t frame(const std::string& stream) {
  aof::Framer framer(0, 0);
  in_pieces(stream, [&](ByteView piece) { framer.feed(piece); });
  return framer.commands();
}

std::uint64_t write_increment(const std::string& stream) {
  std::uint64_t bytes = 0;
  aof::IncrementWriter writer(0, 0, [&](ByteView some) { bytes += some.size(); });
  in_pieces(stream, [&](ByteView piece) { writer.append(piece, {}); });
  benchmark::DoNotOptimize(bytes);
  return writer.commands();
}

std::uint64_t take_apart(const std::string& stream) {
  std::uint64_t words = 0;
  std::uint64_t commands = 0;
  aof::CommandReader reader(0, 0, [&](const aof::Command& command) {
    words += command.words.size();
    ++commands;
  });
  in_pieces(stream, [&](ByteView piece) { reader.feed(piece); });
  benchmark::DoNotOptimize(words);
  return commands;
}

using Work = std::uint64_t (*)(const std::string&);

void measure(const std::string& name, const std::string& stream, Work work) {
  benchmark::RegisterBenchmark(name.c_str(), [&stream, work](benchmark::State& state) {
    std::uint64_t commands = 0;
    for ([[maybe_unused]] const auto iteration : state) {
      commands += work(stream);
    }
    state.SetBytesProcessed(
        static_cast<std::int64_t>(static_cast<std::uint64_t>(state.iterations()) * stream.size()));
    state.counters["commands"] =
        benchmark::Counter(static_cast<double>(commands), benchmark::Counter::kIsRate);
  });
}

void measure_all(const std::string& name, const std::string& stream) {
  measure("framer/" + name, stream, frame);
  measure("increment/" + name, stream, write_increment);
  measure("reader/" + name, stream, take_apart);
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (argc > 2) {
    fmt::print(stderr, "usage: framer_bench [FILE] [--benchmark_...]\n");
    return 2;
  }
  const std::string benchmark_set = benchmark_stream();
  const std::string mixed = mixed_stream();
  std::string file;
  measure_all("benchmark_set", benchmark_set);
  measure_all("mixed", mixed);
  if (argc == 2) {
    std::ifstream in(argv[1], std::ios::binary);
    file.assign(std::istreambuf_iterator<char>(in), {});
    if (file.empty()) {
      fmt::print(stderr, "framer_bench: there is nothing in {}\n", argv[1]);
      return 2;
    }
    measure_all("file", file);
  }
  try {
    benchmark::RunSpecifiedBenchmarks();
  } catch (const Error& error) {
    fmt::print(stderr, "framer_bench: {}\n", error.what());
    return 1;
  }
  return 0;
}
