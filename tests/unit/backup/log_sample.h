#pragma once

#include "aof/framer.h"
#include "backup/journal.h"
#include "backup/segment_writer.h"
#include "backup/spool.h"
#include "base/bytes.h"
#include "base/error.h"
#include "catalog/log.h"
#include "catalog/segment_data.h"
#include "store/object_store.h"
#include "support/process.h"
#include "support/temp_dir.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <fstream>
#include <functional>
#include <iterator>
#include <random>
#include <string>
#include <thread>
#include <vector>

/// Streams, journals and logs for the tests of this room, made without a server.
namespace keyrewind::backup {

inline const std::string kLineage = "75a4f1c0b3c94b0bd7ab1b34c2d3f6e88c5f2a10";
inline const std::string kReplid = "0c9b2f1de34a5b6c7d8e9f0a1b2c3d4e5f607182";
inline const std::string kOtherReplid = "89abcdef0123456789abcdef0123456789abcdef";
inline const replica::Position kStart{kReplid, 1000};

/// 2026-11-20T13:02:21.123Z.
inline constexpr Timestamp kTime{std::chrono::milliseconds(1795179741123)};

inline std::string command(const std::vector<std::string>& words) {
  std::string text = "*" + std::to_string(words.size()) + "\r\n";
  for (const std::string& word : words) {
    text += "$" + std::to_string(word.size()) + "\r\n" + word + "\r\n";
  }
  return text;
}

/// Bytes that arrived together.
struct Piece {
  std::string bytes;
  Timestamp at{};
};

inline std::string joined(const std::vector<Piece>& pieces) {
  std::string all;
  for (const Piece& piece : pieces) {
    all += piece.bytes;
  }
  return all;
}

/// Commands and transactions; a cut behind any of them is safe.
inline std::vector<std::string> random_units(std::mt19937& random, std::size_t count) {
  std::vector<std::string> units;
  while (units.size() < count) {
    const std::string key = "key" + std::to_string(random() % 50);
    const std::string set = command({"SET", key, std::string(random() % 60, 'v')});
    switch (random() % 10) {
      case 0:
        units.push_back(command({"MULTI"}) + set + command({"INCR", key}) + command({"EXEC"}));
        break;
      case 1:
        units.push_back(command({"SELECT", std::to_string(random() % 16)}));
        break;
      case 2:
        units.push_back(command({"FLUSHALL"}));
        break;
      case 3:
        units.push_back(command({"MULTI"}) + command({"FLUSHDB"}) + set + command({"EXEC"}));
        break;
      default:
        units.push_back(set);
    }
  }
  return units;
}

/// The units cut into pieces at random, which arrive at random intervals.
inline std::vector<Piece> random_pieces(std::mt19937& random, const std::vector<std::string>& units,
                                        Timestamp& at) {
  std::string all;
  for (const std::string& unit : units) {
    all += unit;
  }
  std::vector<Piece> pieces;
  for (std::size_t begin = 0; begin < all.size(); begin += pieces.back().bytes.size()) {
    at += std::chrono::milliseconds(random() % 8);
    pieces.push_back({all.substr(begin, 1 + random() % 120), at});
  }
  return pieces;
}

inline std::uint64_t bytes_of(const std::string& text) {
  return text.size();
}

/// Appends pieces to the journal that is being written, and seals it behind them.
inline void fill_and_seal(Spool& spool, replica::Position& position,
                          const std::vector<Piece>& pieces) {
  aof::Framer framer(position.offset, std::nullopt);
  for (const Piece& piece : pieces) {
    spool.append(as_bytes(piece.bytes), piece.at);
    framer.feed(as_bytes(piece.bytes));
  }
  position.offset = framer.safe();
  spool.seal(position, framer.safe_database());
}

inline void add_journal(Spool& spool, replica::Position& position, const std::vector<Piece>& pieces,
                        const std::string& lineage = kLineage) {
  spool.begin(lineage, position, 0);
  fill_and_seal(spool, position, pieces);
}

inline std::string content_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline void write_file(const std::filesystem::path& path, const std::string& content) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
}

/// The stream in a journal up to `end`.
inline std::string stream_in(const std::filesystem::path& journal, std::int64_t end) {
  JournalReader reader(journal);
  std::string stream;
  while (const auto record = reader.next()) {
    if (record->kind == JournalRecord::Kind::data) {
      stream += as_text(record->text);
    }
  }
  stream.resize(
      std::min(stream.size(), static_cast<std::size_t>(end - reader.head().position.offset)));
  return stream;
}

/// Takes all sealed journals out of the spool.
struct Taken {
  JournalHead head;
  std::int64_t end = 0;
  std::string stream;
};
inline std::vector<Taken> take_all(Spool& spool) {
  std::vector<Taken> all;
  while (!spool.shipped()) {
    const auto sealed = spool.next({});
    all.push_back({sealed->head, sealed->end, stream_in(sealed->path, sealed->end)});
    spool.remove_first();
  }
  return all;
}

template <typename Work>
Error error_of(Work work) {
  try {
    work();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "nothing was thrown";
  return {ErrorKind::internal, "nothing was thrown"};
}

/// Waits until `holds`, without guessing how long that takes.
inline void wait_until(const std::function<bool()>& holds) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!holds()) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "waited in vain";
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
}

/// As long as it lives no file may grow beyond `bytes`: a full disk.
class FullDisk {
 public:
  explicit FullDisk(std::uint64_t bytes) : old_handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &old_);
    const rlimit limit{bytes, old_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FullDisk() {
    ::setrlimit(RLIMIT_FSIZE, &old_);
    std::signal(SIGXFSZ, old_handler_);
  }
  FullDisk(const FullDisk&) = delete;
  FullDisk& operator=(const FullDisk&) = delete;

 private:
  void (*old_handler_)(int);
  rlimit old_{};
};

/// What `zstd -d`, the program, makes of an object.
inline std::string inflate(ByteView object) {
  const test::TempDir folder;
  write_file(folder / "object.zst", std::string(as_text(object)));
  const std::string packed = (folder / "object.zst").string();
  const std::string raw = (folder / "raw").string();
  const test::RunResult result =
      test::run(std::vector<std::string>{"zstd", "-q", "-d", packed, "-o", raw});
  EXPECT_EQ(result.status, 0) << result.err;
  return content_of(raw);
}

/// A lineage's log, as the repository covers it.
struct ReadLog {
  std::vector<catalog::SegmentEntry> entries;
  std::vector<catalog::Segment> segments;
  std::string stream;

  template <typename Item>
  std::vector<Item> all(std::vector<Item> catalog::Segment::*items) const {
    std::vector<Item> found;
    for (const catalog::Segment& segment : segments) {
      found.insert(found.end(), (segment.*items).begin(), (segment.*items).end());
    }
    return found;
  }
};

/// Reads it from `begin`, and checks its chain.
inline ReadLog read_log(const store::ObjectStore& store, const std::string& lineage = kLineage,
                        std::int64_t begin = kStart.offset) {
  ReadLog log;
  const auto logs = catalog::list_logs(store, "orders", "0", {});
  if (!logs.contains(lineage)) {
    return log;
  }
  log.entries = catalog::cover(logs.at(lineage), begin);
  catalog::Digest chain = catalog::chain_start(lineage, begin);
  for (const catalog::SegmentEntry& entry : log.entries) {
    const auto segment = catalog::read_segment(store, entry, {});
    if (!segment) {
      ADD_FAILURE() << entry.object << " is gone";
      return log;
    }
    EXPECT_EQ(segment->previous, chain) << entry.object;
    chain = catalog::chain_end(*segment);
    catalog::read_segment_data(store, entry.object, *segment, segment->begin,
                               [&](ByteView raw, std::int64_t) { log.stream += as_text(raw); }, {});
    log.segments.push_back(*segment);
  }
  return log;
}

/// Writes the log of a lineage into a store, a journal a segment.
class LogWriter {
 public:
  explicit LogWriter(store::ObjectStore& store, std::string lineage = kLineage,
                     std::uint64_t generation = 0)
      : store_(store),
        lineage_(std::move(lineage)),
        generation_(generation),
        chain_(catalog::chain_start(lineage_, kStart.offset)) {}

  void add(const std::vector<Piece>& pieces) {
    spool_.begin(lineage_, position_, 0);
    if (!stream_.empty() && stream_.size() % 3 == 0) {
      spool_.note_resumed("10.0.0.7:6379", pieces.front().at);
      position_.replid = position_.replid == kReplid ? kOtherReplid : kReplid;
      spool_.note_renamed(position_.replid, pieces.front().at);
    }
    fill_and_seal(spool_, position_, pieces);
    const StoredSegment stored =
        store_segment(store_, *spool_.next({}), chain_, generation_, 1, {});
    chain_ = catalog::chain_end(stored.segment);
    spool_.remove_first();
    stream_ += joined(pieces);
  }

  /// A segment of exactly one SET with `bytes` of value.
  void add_set(std::size_t bytes,
               std::chrono::milliseconds later = std::chrono::milliseconds(1000)) {
    add({{command({"SET", "a", std::string(bytes, 'v')}), at_ += later}});
  }

  void add_random(std::mt19937& random, std::size_t most_units) {
    add(random_pieces(random, random_units(random, 1 + random() % most_units), at_));
  }

  const std::string& stream() const { return stream_; }

 private:
  store::ObjectStore& store_;
  const std::string lineage_;
  const std::uint64_t generation_;
  const test::TempDir folder_;
  Spool spool_{{.dir = folder_.path()}, "orders", "0"};
  replica::Position position_ = kStart;
  catalog::Digest chain_;
  Timestamp at_ = kTime;
  std::string stream_;
};

}  // namespace keyrewind::backup
