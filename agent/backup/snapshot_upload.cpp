#include "backup/snapshot_upload.h"

#include "codec/frame_index.h"
#include "codec/sha256.h"
#include "codec/zstd_frame.h"
#include "flow/background.h"
#include "flow/channel.h"
#include "flow/group.h"
#include "flow/pool.h"
#include "flow/rate_limit.h"
#include "flow/sequencer.h"
#include "rdb/scanner.h"

#include <algorithm>
#include <atomic>
#include <utility>
#include <vector>

namespace keyrewind::backup {
namespace {

/// Memory that the process needs besides the pieces: program, libraries, zstd contexts, buffers of
/// the socket and the store.
constexpr std::uint64_t kBaseMemory = 40U << 20U;

/// The number of compressing threads that `options.memory` has room for: each holds a piece and
/// its frame, and two more of both are on their way in and out.
std::size_t affordable_threads(const PipelineOptions& options) {
  const std::uint64_t pieces =
      options.memory > kBaseMemory ? (options.memory - kBaseMemory) / (2 * kPieceBytes) : 0;
  const std::uint64_t affordable = pieces > 3 ? pieces - 2 : 1;
  return static_cast<std::size_t>(std::clamp<std::uint64_t>(options.threads, 1, affordable));
}

/// A piece of the RDB on its way to a compressor.
struct Piece {
  std::uint64_t number = 0;
  flow::Pool<Bytes>::Lease bytes;
  std::size_t size = 0;  ///< Of `bytes`, those that count.
};

/// A finished frame on its way to the store.
struct FrameOut {
  flow::Pool<Bytes>::Lease bytes;
  codec::Frame entry;
};

/// The stages of one upload and what passes between them. Members are set before the threads
/// start or belong to the one stage that its comment names.
class SnapshotUpload {
 public:
  SnapshotUpload(const ReadSome& read, store::ObjectStore& store, const std::string& name,
                 const PipelineOptions& options, Progress& progress, std::stop_token stop)
      : read_(read),
        options_(options),
        threads_(affordable_threads(options)),
        progress_(progress),
        stop_(stop),
        receive_limit_(options.receive_rate),
        upload_(store.upload(name, stop)),
        raw_buffers_(threads_ + 2, [] { return Bytes(kPieceBytes); }),
        frame_buffers_(threads_ + 2, [] { return Bytes(); }),
        pieces_(1),
        frames_(threads_ + 1) {
    stored_.object.name = name;
  }

  StoredSnapshot run() {
    flow::Group group(stop_);
    const auto spawn = [&](const char* name, auto stage) {
      group.spawn(name, [this, stage](std::stop_token stop) {
        flow::work_in_background();
        (this->*stage)(stop);
      });
    };
    spawn("receive", &SnapshotUpload::receive);
    for (std::size_t i = 0; i < threads_; ++i) {
      spawn("compress", &SnapshotUpload::compress);
    }
    spawn("store", &SnapshotUpload::store_frames);
    group.wait();
    const store::StoredBytes object = upload_->complete();
    stored_.object.bytes = object.bytes;
    stored_.object.sha256 = to_hex(object.sha256);
    return std::move(stored_);
  }

 private:
  void receive(const std::stop_token& stop) {
    rdb::Scanner scanner;
    codec::Sha256 sha256;
    std::uint64_t count = 0;
    for (bool ended = false; !ended; ++count) {
      Piece piece{count, raw_buffers_.borrow(stop)};
      ended = fill(piece, scanner, sha256, stop);
      if (piece.size == 0) {
        break;
      }
      pieces_.push(std::move(piece), stop);
    }
    stored_.rdb = scanner.finish();  // Throws before the end is announced: nothing gets complete.
    stored_.raw_sha256 = sha256.hex_digest();
    pieces_.finish();
    frames_.finish(count);
  }

  /// Reads until the piece is full or the RDB is over; says whether it is over.
  bool fill(Piece& piece, rdb::Scanner& scanner, codec::Sha256& sha256,
            const std::stop_token& stop) {
    // A read wants 4 KiB of room, so a piece may stay that much short of full.
    constexpr std::size_t kLeastRoom = 4096;
    while (kPieceBytes - piece.size >= kLeastRoom) {
      const auto room = std::span(*piece.bytes).subspan(piece.size);
      const std::size_t got =
          read_(room.first(std::min({room.size(), kReadBytes, receive_limit_.piece()})));
      if (got == 0) {
        return true;
      }
      const ByteView fresh = room.first(got);
      scanner.feed(fresh);
      sha256.feed(fresh);
      piece.size += got;
      progress_.bytes += got;
      progress_.keys = scanner.keys();
      receive_limit_.take(got, stop);
    }
    return false;
  }

  void compress(const std::stop_token& stop) {
    codec::FrameCompressor compressor(options_.compression_level);
    codec::Sha256 sha256;
    while (true) {
      // The buffer first: whoever holds the piece that the writer waits for has what it needs.
      FrameOut frame{frame_buffers_.borrow(stop), {}};
      auto piece = pieces_.pop(stop);
      if (!piece) {
        return;
      }
      compressor.compress(ByteView(*piece->bytes).first(piece->size), *frame.bytes);
      frame.entry.stored_bytes = static_cast<std::uint32_t>(frame.bytes->size());
      frame.entry.raw_bytes = static_cast<std::uint32_t>(piece->size);
      sha256.feed(*frame.bytes);
      std::ranges::copy(sha256.digest(), frame.entry.sha256.begin());
      const std::uint64_t number = piece->number;
      piece.reset();  // Gives the raw buffer back before waiting for the writer.
      frames_.put(number, std::move(frame), stop);
    }
  }

  void store_frames(const std::stop_token& stop) {
    std::vector<codec::Frame> index;
    while (auto frame = frames_.take(stop)) {
      upload_->append(*frame->bytes);
      stored_.index_offset += frame->bytes->size();
      index.push_back(frame->entry);
    }
    const Bytes encoded = codec::encode_frame_index(index);
    upload_->append(encoded);
    stored_.index_bytes = encoded.size();
    stored_.index_sha256 = codec::sha256_hex(encoded);
  }

  /// Small enough that what was read is still in the cache when it is scanned and hashed.
  static constexpr std::size_t kReadBytes = 256U << 10U;

  const ReadSome& read_;
  const PipelineOptions options_;
  const std::size_t threads_;
  Progress& progress_;
  const std::stop_token stop_;
  flow::RateLimit receive_limit_;          // Of receive.
  std::unique_ptr<store::Upload> upload_;  // Of store_frames, then of run.
  flow::Pool<Bytes> raw_buffers_;
  flow::Pool<Bytes> frame_buffers_;
  flow::Channel<Piece> pieces_;
  flow::Sequencer<FrameOut> frames_;
  StoredSnapshot stored_;  // Its rdb and raw_sha256 are of receive, the rest of store_frames.
};

}  // namespace

StoredSnapshot store_snapshot(const ReadSome& read, store::ObjectStore& store,
                              const std::string& name, const PipelineOptions& options,
                              Progress& progress, std::stop_token stop) {
  return SnapshotUpload(read, store, name, options, progress, std::move(stop)).run();
}

}  // namespace keyrewind::backup
