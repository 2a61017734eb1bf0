#include "restore/read_snapshot.h"

#include "base/error.h"
#include "codec/frame_index.h"
#include "codec/sha256.h"
#include "codec/zstd_frame.h"
#include "flow/group.h"
#include "flow/pool.h"
#include "flow/sequencer.h"
#include "rdb/scanner.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <utility>
#include <vector>

namespace keyrewind::restore {
namespace {

/// Memory that the process needs besides the frames.
constexpr std::uint64_t kBaseMemory = 40U << 20U;

/// The largest frame that is believed, stored or inflated; writers make them of 4 MiB of RDB.
constexpr std::uint64_t kMaxFrameBytes = 64U << 20U;

Error corrupt(const catalog::Snapshot& snapshot, const std::string& what) {
  return Error(Side::repository, ErrorKind::corrupt,
               fmt::format("object {} is damaged: {}", snapshot.object.name, what));
}

/// A frame and where in the object it stands.
struct PlacedFrame {
  codec::Frame entry;
  std::uint64_t offset = 0;
};

std::vector<PlacedFrame> place(const catalog::Snapshot& snapshot,
                               const std::vector<codec::Frame>& frames) {
  std::vector<PlacedFrame> placed;
  placed.reserve(frames.size());
  std::uint64_t offset = 0;
  std::uint64_t raw_bytes = 0;
  for (const codec::Frame& frame : frames) {
    if (frame.stored_bytes > kMaxFrameBytes || frame.raw_bytes > kMaxFrameBytes) {
      throw corrupt(snapshot, "its index names an absurdly large frame");
    }
    placed.push_back({frame, offset});
    offset += frame.stored_bytes;
    raw_bytes += frame.raw_bytes;
  }
  if (offset != snapshot.index_offset || raw_bytes != snapshot.rdb.bytes) {
    throw corrupt(snapshot, "its index does not add up to what the manifest says");
  }
  return placed;
}

/// The index of a snapshot, as stored and as understood.
struct Index {
  Bytes encoded;
  std::vector<PlacedFrame> frames;
};

Index read_index(const store::ObjectStore& store, const catalog::Snapshot& snapshot,
                 const std::stop_token& stop) {
  if (snapshot.index_offset >= snapshot.object.bytes) {
    throw corrupt(snapshot, "the manifest places its index behind its end");
  }
  // The size is checked against the store before it becomes an allocation.
  const auto info = store.head(snapshot.object.name, stop);
  if (!info) {
    throw Error(Side::repository, ErrorKind::corrupt,
                fmt::format("object {} is missing", snapshot.object.name));
  }
  if (info->bytes != snapshot.object.bytes) {
    throw corrupt(snapshot, fmt::format("it has {} bytes, the manifest says {}", info->bytes,
                                        snapshot.object.bytes));
  }
  Index index;
  index.encoded.resize(snapshot.object.bytes - snapshot.index_offset);
  store.read(snapshot.object.name, snapshot.index_offset, index.encoded, stop);
  if (codec::sha256_hex(index.encoded) != snapshot.index_sha256) {
    throw corrupt(snapshot, "the SHA-256 of its index differs from the manifest");
  }
  index.frames = place(snapshot, codec::decode_frame_index(index.encoded));
  return index;
}

/// Compares the SHA-256 of the whole object, whose frames `sha256` has been fed.
void check_object(const catalog::Snapshot& snapshot, codec::Sha256& sha256, const Index& index) {
  sha256.feed(index.encoded);
  if (sha256.hex_digest() != snapshot.object.sha256) {
    throw corrupt(snapshot, "its SHA-256 differs from the manifest");
  }
}

/// A frame as fetched and, where that was asked for, as inflated.
struct FrameBytes {
  Bytes stored;
  Bytes raw;
};

enum class Inflate { no, yes };

/// Fetches all frames of a snapshot with several threads, checks and inflates each in whichever
/// thread fetched it, and gives them to `consume` in order.
class FrameReader {
 public:
  using Consume = std::function<void(const FrameBytes&)>;

  FrameReader(store::ObjectStore& store, const catalog::Snapshot& snapshot,
              const ReadOptions& options, std::vector<PlacedFrame> frames)
      : store_(store),
        snapshot_(snapshot),
        frames_(std::move(frames)),
        threads_(affordable_threads(options)),
        buffers_(threads_ + 2, [] { return FrameBytes(); }),
        ordered_(threads_ + 1) {
    ordered_.finish(frames_.size());
  }

  void run(Inflate inflate, const Consume& consume, std::stop_token stop) {
    flow::Group group(std::move(stop));
    for (std::size_t i = 0; i < threads_; ++i) {
      group.spawn("fetch", [&](std::stop_token inner) { fetch(inflate, inner); });
    }
    group.spawn("consume", [&](std::stop_token inner) {
      while (auto frame = ordered_.take(inner)) {
        consume(**frame);
      }
    });
    group.wait();
  }

 private:
  using Lease = flow::Pool<FrameBytes>::Lease;

  std::size_t affordable_threads(const ReadOptions& options) const {
    std::uint64_t largest = 1;
    for (const PlacedFrame& frame : frames_) {
      largest = std::max<std::uint64_t>({largest, frame.entry.raw_bytes, frame.entry.stored_bytes});
    }
    // A thread holds a frame, stored and raw, and two more are on their way to the consumer.
    const std::uint64_t room =
        options.memory > kBaseMemory ? (options.memory - kBaseMemory) / (2 * largest) : 0;
    const std::uint64_t affordable = room > 3 ? room - 2 : 1;
    return static_cast<std::size_t>(std::clamp<std::uint64_t>(options.threads, 1, affordable));
  }

  void fetch(Inflate inflate, const std::stop_token& stop) {
    codec::FrameInflater inflater;
    while (true) {
      // The buffer first: whoever has the frame that the consumer waits for can go on.
      Lease buffer = buffers_.borrow(stop);
      const std::size_t number = next_.fetch_add(1);
      if (number >= frames_.size()) {
        return;
      }
      const PlacedFrame& frame = frames_[number];
      buffer->stored.resize(frame.entry.stored_bytes);
      store_.read(snapshot_.object.name, frame.offset, buffer->stored, stop);
      check(number, buffer->stored);
      if (inflate == Inflate::yes) {
        inflater.inflate(buffer->stored, frame.entry.raw_bytes, buffer->raw);
      }
      ordered_.put(number, std::move(buffer), stop);
    }
  }

  void check(std::size_t number, const Bytes& stored) const {
    codec::Sha256 sha256;
    sha256.feed(stored);
    if (!std::ranges::equal(sha256.digest(), frames_[number].entry.sha256)) {
      throw corrupt(snapshot_, fmt::format("the SHA-256 of frame {} at byte {} differs", number,
                                           frames_[number].offset));
    }
  }

  store::ObjectStore& store_;
  const catalog::Snapshot& snapshot_;
  const std::vector<PlacedFrame> frames_;
  const std::size_t threads_;
  std::atomic<std::size_t> next_{0};
  flow::Pool<FrameBytes> buffers_;
  flow::Sequencer<Lease> ordered_;
};

void compare_with_manifest(const catalog::Snapshot& snapshot, const rdb::Summary& found,
                           const std::string& raw_sha256) {
  if (raw_sha256 != snapshot.raw_sha256) {
    throw corrupt(snapshot, "the SHA-256 of its RDB differs from the manifest");
  }
  if (found.bytes != snapshot.rdb.bytes || found.crc64 != snapshot.rdb.crc64) {
    throw corrupt(snapshot, "the length or CRC64 of its RDB differs from the manifest");
  }
  // A newer Keyrewind may follow what an older one took opaquely; its counts are then news, not
  // damage.
  if (!snapshot.rdb.opaque() && found.databases != snapshot.rdb.databases) {
    throw corrupt(snapshot, "its keys are not those that the manifest counts");
  }
}

}  // namespace

void read_snapshot(store::ObjectStore& store, const catalog::Snapshot& snapshot,
                   const ReadOptions& options, const Sink& sink, Progress& progress,
                   std::stop_token stop) {
  progress.total_bytes += snapshot.rdb.bytes;
  const Index index = read_index(store, snapshot, stop);
  FrameReader reader(store, snapshot, options, index.frames);
  rdb::Scanner scanner;
  codec::Sha256 raw_sha256;
  codec::Sha256 object_sha256;
  try {
    reader.run(
        Inflate::yes,
        [&](const FrameBytes& frame) {
          scanner.feed(frame.raw);
          raw_sha256.feed(frame.raw);
          if (options.check_object) {
            object_sha256.feed(frame.stored);
          }
          sink(frame.raw);
          progress.bytes += frame.raw.size();
        },
        stop);
    compare_with_manifest(snapshot, scanner.finish(), raw_sha256.hex_digest());
  } catch (const Error& error) {
    // What the scanner and the inflater find is the repository's damage.
    if (error.kind() == ErrorKind::corrupt && error.side() == Side::here) {
      throw corrupt(snapshot, error.what());
    }
    throw;
  }
  if (options.check_object) {
    check_object(snapshot, object_sha256, index);
  }
}

void check_stored_bytes(store::ObjectStore& store, const catalog::Snapshot& snapshot,
                        const ReadOptions& options, Progress& progress, std::stop_token stop) {
  progress.total_bytes += snapshot.object.bytes;
  const Index index = read_index(store, snapshot, stop);
  FrameReader reader(store, snapshot, options, index.frames);
  codec::Sha256 sha256;
  reader.run(
      Inflate::no,
      [&](const FrameBytes& frame) {
        sha256.feed(frame.stored);
        progress.bytes += frame.stored.size();
      },
      stop);
  check_object(snapshot, sha256, index);
  progress.bytes += index.encoded.size();
}

}  // namespace keyrewind::restore
