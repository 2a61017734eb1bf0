#include "restore/read_snapshot.h"

#include "base/error.h"
#include "codec/frame_index.h"
#include "codec/sha256.h"
#include "flow/read_ahead.h"
#include "rdb/scanner.h"
#include "restore/frame_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace keyrewind::restore {
namespace {

/// The largest frame that is believed, stored or inflated; writers make them of 4 MiB of RDB.
constexpr std::uint64_t kMaxFrameBytes = 64U << 20U;

Error corrupt(const catalog::Snapshot& snapshot, const std::string& what) {
  return Error(Side::repository, ErrorKind::corrupt,
               fmt::format("object {} is damaged: {}", snapshot.object.name, what));
}

bool is_encrypted(const catalog::Snapshot& snapshot) {
  return snapshot.object.name.ends_with(store::kEncryptedSuffix);
}

/// A size is checked against the store before it becomes an allocation.
void check_size(const store::ObjectStore& store, const catalog::Snapshot& snapshot,
                const std::stop_token& stop) {
  const auto info = store.head(snapshot.object.name, stop);
  if (!info) {
    throw Error(Side::repository, ErrorKind::corrupt,
                fmt::format("object {} is missing", snapshot.object.name));
  }
  if (info->bytes != snapshot.object.bytes) {
    throw corrupt(snapshot, fmt::format("it has {} bytes, the manifest says {}", info->bytes,
                                        snapshot.object.bytes));
  }
}

/// The index must lie within what the object holds: of a plain one, just at its end.
void check_place_of_index(const catalog::Snapshot& snapshot) {
  const std::uint64_t bytes = snapshot.object.bytes;
  const bool is_within = snapshot.index_bytes != 0 && snapshot.index_offset < bytes &&
                         snapshot.index_bytes <= bytes - snapshot.index_offset;
  const bool is_at_end = snapshot.index_bytes == bytes - snapshot.index_offset;
  if (!is_within || (!is_encrypted(snapshot) && !is_at_end)) {
    throw corrupt(snapshot, "the manifest does not place its index at its end");
  }
}

void check_frames(const catalog::Snapshot& snapshot, const std::vector<codec::Frame>& frames) {
  std::uint64_t stored_bytes = 0;
  std::uint64_t raw_bytes = 0;
  for (const codec::Frame& frame : frames) {
    if (frame.stored_bytes > kMaxFrameBytes || frame.raw_bytes > kMaxFrameBytes) {
      throw corrupt(snapshot, "its index names an absurdly large frame");
    }
    stored_bytes += frame.stored_bytes;
    raw_bytes += frame.raw_bytes;
  }
  if (stored_bytes != snapshot.index_offset || raw_bytes != snapshot.rdb.bytes) {
    throw corrupt(snapshot, "its index does not add up to what the manifest says");
  }
}

/// The index of a snapshot, as stored and as understood.
struct Index {
  Bytes encoded;
  std::vector<codec::Frame> frames;
};

Index read_index(const store::ObjectStore& store, const catalog::Snapshot& snapshot,
                 const std::stop_token& stop) {
  check_place_of_index(snapshot);
  check_size(store, snapshot, stop);
  Index index;
  index.encoded.resize(static_cast<std::size_t>(snapshot.index_bytes));
  store.read(snapshot.object.name, snapshot.index_offset, index.encoded, stop);
  if (snapshot.digests_known && codec::sha256_hex(index.encoded) != snapshot.index_sha256) {
    throw corrupt(snapshot, "the SHA-256 of its index differs from the manifest");
  }
  index.frames = codec::decode_frame_index(index.encoded);
  check_frames(snapshot, index.frames);
  return index;
}

void check_object(const catalog::Snapshot& snapshot, codec::Sha256& sha256) {
  if (sha256.hex_digest() != snapshot.object.sha256) {
    throw corrupt(snapshot, "its SHA-256 differs from the manifest");
  }
}

/// Compares an RDB that passes with what the manifest says of it.
class RdbCheck {
 public:
  explicit RdbCheck(const catalog::Snapshot& snapshot) : snapshot_(snapshot) {}

  void feed(ByteView raw) {
    scanner_.feed(raw);
    if (snapshot_.digests_known) {
      sha256_.feed(raw);
    }
  }

  void finish() {
    const rdb::Summary found = scanner_.finish();
    if (snapshot_.digests_known && sha256_.hex_digest() != snapshot_.raw_sha256) {
      throw corrupt(snapshot_, "the SHA-256 of its RDB differs from the manifest");
    }
    if (found.bytes != snapshot_.rdb.bytes ||
        (snapshot_.digests_known && found.crc64 != snapshot_.rdb.crc64)) {
      throw corrupt(snapshot_, "the length or CRC64 of its RDB differs from the manifest");
    }
    // A newer Keyrewind may follow what an older one took opaquely; its counts are then news, not
    // damage.
    if (!snapshot_.rdb.opaque() && found.databases != snapshot_.rdb.databases) {
      throw corrupt(snapshot_, "its keys are not those that the manifest counts");
    }
  }

 private:
  const catalog::Snapshot& snapshot_;
  rdb::Scanner scanner_;
  codec::Sha256 sha256_;
};

/// The first frame that ends behind the RDB's first `bytes`, and where in the RDB it begins.
struct Place {
  std::size_t frame = 0;
  std::uint64_t begin = 0;
};

Place place_of(std::uint64_t bytes, const std::vector<codec::Frame>& frames) {
  Place place;
  while (place.frame < frames.size() && place.begin + frames[place.frame].raw_bytes <= bytes) {
    place.begin += frames[place.frame++].raw_bytes;
  }
  return place;
}

/// One reading of a snapshot.
class SnapshotReading {
 public:
  SnapshotReading(const catalog::Snapshot& snapshot, const ReadOptions& options, const Sink& sink,
                  Progress& progress)
      : snapshot_(snapshot), options_(options), sink_(sink), progress_(progress), rdb_(snapshot) {}

  void run(const store::ObjectStore& store, const Replay& replay, const std::stop_token& stop) {
    const Index index = read_index(store, snapshot_, stop);
    replay([&](ByteView raw) {
      if (stop.stop_requested()) {
        throw Error(ErrorKind::cancelled, "stopped");
      }
      pass(raw);
    });
    const std::uint64_t begun = passed_;
    if (begun > snapshot_.rdb.bytes) {
      throw corrupt(snapshot_, "more of it was there than it has");
    }
    const bool check_whole = options_.check_object && begun == 0 && !is_encrypted(snapshot_);
    const Place place = place_of(begun, index.frames);
    std::uint64_t skip = begun - place.begin;
    codec::Sha256 object_sha256;
    FrameReader(store, snapshot_.object.name, index.frames, options_)
        .run(
            place.frame, FrameReader::Inflate::yes,
            [&](const PassingFrame& frame) {
              if (check_whole) {
                object_sha256.feed(frame.stored);
              }
              const ByteView raw = frame.raw.subspan(std::exchange(skip, 0));
              pass(raw);
              sink_(raw);
            },
            stop);
    rdb_.finish();
    if (check_whole) {
      object_sha256.feed(index.encoded);
      check_object(snapshot_, object_sha256);
    }
  }

 private:
  void pass(ByteView raw) {
    rdb_.feed(raw);
    passed_ += raw.size();
    progress_.bytes += raw.size();
  }

  const catalog::Snapshot& snapshot_;
  const ReadOptions& options_;
  const Sink& sink_;
  Progress& progress_;
  RdbCheck rdb_;
  std::uint64_t passed_ = 0;
};

/// What the scanner, the inflater and the index's decoder find is the object's damage.
void blame_object(const catalog::Snapshot& snapshot, const std::function<void()>& read) {
  try {
    read();
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::corrupt && error.side() == Side::here) {
      throw corrupt(snapshot, error.what());
    }
    throw;
  }
}

/// Checks the SHA-256 of an object whatever it holds.
void check_opaquely(const store::ObjectStore& store, const catalog::Snapshot& snapshot,
                    const ReadOptions& options, Progress& progress, const std::stop_token& stop) {
  check_size(store, snapshot, stop);
  const std::uint64_t bytes = snapshot.object.bytes;
  const std::uint64_t piece = std::clamp<std::uint64_t>(
      options.memory / 4 / (options.connections + 2), 64U << 10U, kFetchBytes);
  flow::ReadAhead<Bytes> pieces(
      {"fetch", options.connections, options.connections + 2}, (bytes + piece - 1) / piece,
      [&](std::uint64_t number, Bytes& into, std::stop_token inner) {
        const std::uint64_t offset = number * piece;
        into.resize(static_cast<std::size_t>(std::min(piece, bytes - offset)));
        store.read(snapshot.object.name, offset, into, inner);
      },
      stop);
  codec::Sha256 sha256;
  while (const auto next = pieces.next(stop)) {
    sha256.feed(**next);
    progress.bytes += (**next).size();
  }
  check_object(snapshot, sha256);
}

void check_with_frames(const store::ObjectStore& store, const catalog::Snapshot& snapshot,
                       const ReadOptions& options, Progress& progress,
                       const std::stop_token& stop) {
  const Index index = read_index(store, snapshot, stop);
  codec::Sha256 sha256;
  FrameReader(store, snapshot.object.name, index.frames, options)
      .run(
          0, FrameReader::Inflate::no,
          [&](const PassingFrame& frame) {
            sha256.feed(frame.stored);
            progress.bytes += frame.stored.size();
          },
          stop);
  sha256.feed(index.encoded);
  check_object(snapshot, sha256);
  progress.bytes += index.encoded.size();
}

}  // namespace

void read_snapshot(const store::ObjectStore& store, const catalog::Snapshot& snapshot,
                   const ReadOptions& options, const Sink& sink, Progress& progress,
                   std::stop_token stop) {
  resume_snapshot(
      store, snapshot, options, [](const Sink&) {}, sink, progress, std::move(stop));
}

void resume_snapshot(const store::ObjectStore& store, const catalog::Snapshot& snapshot,
                     const ReadOptions& options, const Replay& replay, const Sink& sink,
                     Progress& progress, std::stop_token stop) {
  progress.total_bytes += snapshot.rdb.bytes;
  blame_object(snapshot, [&] {
    SnapshotReading(snapshot, options, sink, progress).run(store, replay, stop);
  });
}

void check_stored_bytes(store::ObjectStore& store, const catalog::Snapshot& snapshot,
                        const ReadOptions& options, Progress& progress, std::stop_token stop) {
  progress.total_bytes += snapshot.object.bytes;
  const store::ObjectStore& stored = store.stored();
  // To look into an encrypted one would take another download.
  if (is_encrypted(snapshot)) {
    check_opaquely(stored, snapshot, options, progress, stop);
    return;
  }
  blame_object(snapshot, [&] { check_with_frames(stored, snapshot, options, progress, stop); });
}

}  // namespace keyrewind::restore
