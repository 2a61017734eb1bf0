#pragma once

#include "backup/spool.h"
#include "base/bytes.h"
#include "catalog/segment.h"
#include "codec/sha256.h"
#include "codec/zstd_frame.h"
#include "store/object_store.h"

#include <memory>
#include <optional>
#include <stop_token>
#include <string>

namespace keyrewind::backup {

/// Writes the object of one segment: raw bytes in, frames and the index out, in one pass and in
/// bounded memory. Of an encrypted one it writes the plain index, too, before the object is there.
class SegmentWriter {
 public:
  /// Begins the upload of the object `name`, which is encrypted if its name says so.
  SegmentWriter(store::ObjectStore& store, const std::string& name, int compression_level,
                std::stop_token stop);

  void append(ByteView raw);

  /// Begins a link of the hash chain; only of an encrypted segment it has a salt.
  void begin_link(const std::string& salt);

  /// Ends the link at the offset `end`, that of the last byte appended.
  void end_link(std::int64_t end);

  /// Writes the index of `segment`, to which its frames and links are added, and makes the object
  /// visible. Throws Error(failed) if the name is taken.
  void complete(catalog::Segment& segment);

  /// Bytes of the object so far.
  std::uint64_t stored_bytes() const noexcept { return stored_bytes_; }

 private:
  void flush();
  void store(ByteView bytes);
  void put_plain_index(const catalog::Segment& segment);

  store::ObjectStore& store_;
  const std::string name_;
  const std::stop_token stop_;

  std::unique_ptr<store::Upload> upload_;
  codec::FrameCompressor compressor_;
  codec::Sha256 link_sha256_;
  std::string salt_;  ///< Of the link being written.
  Bytes raw_;
  Bytes frame_;
  std::vector<codec::Frame> frames_;
  std::vector<catalog::Link> links_;
  std::uint64_t stored_bytes_ = 0;
};

/// What a journal becomes.
struct StoredSegment {
  std::string object;
  catalog::Segment segment;
  std::uint64_t stored_bytes = 0;
};

/// Stores the journal `sealed` as a segment behind `previous` in the hash chain, encrypted if the
/// store does that. `generation` is that of the lease, 0 without one.
StoredSegment store_segment(store::ObjectStore& store, const Spool::Sealed& sealed,
                            const catalog::Digest& previous, std::uint64_t generation,
                            int compression_level, std::stop_token stop);

/// The same index without storing anything, as it must be in the repository if the journal was
/// stored before: but for its frames and salts.
catalog::Segment describe_segment(const Spool::Sealed& sealed, const catalog::Digest& previous,
                                  bool encrypted);

/// The name that its segment has.
std::string segment_name(const Spool::Sealed& sealed, std::uint64_t generation, bool encrypted);

}  // namespace keyrewind::backup
