#pragma once

#include "base/bytes.h"
#include "catalog/frame_runs.h"
#include "catalog/segment.h"
#include "codec/sha256.h"
#include "codec/zstd_frame.h"
#include "store/object_store.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

namespace keyrewind::catalog {

/// The index with all that it has: `segment` itself, or, of an encrypted one, what stands in the
/// object. Throws Error(Side::repository, corrupt) if that does not fit `segment`, and what the
/// store throws if it can't be decrypted.
Segment read_whole_index(const store::ObjectStore& store, const std::string& object,
                         const Segment& segment, std::stop_token stop);

/// Takes the content of a frame, and the offset before its first byte.
using TakeRaw = std::function<void(ByteView raw, std::int64_t begin)>;

/// The frames of a segment, with its whole index, that hold anything of the stream from `from` to
/// `to`, in runs to be fetched of at most `max_bytes`.
std::vector<FrameRun> data_runs(const Segment& segment, std::int64_t from, std::int64_t to,
                                std::uint64_t max_bytes);

/// Checks and inflates frames of a segment in order, whoever fetched them: each against its SHA-256
/// before it is inflated, and each link of the chain that is read whole against the raw bytes.
class SegmentDecoder {
 public:
  /// Begins at the frame number `first`. `segment` is the whole index of `object`; both must
  /// outlive the decoder.
  SegmentDecoder(const std::string& object, const Segment& segment, std::size_t first);
  ~SegmentDecoder();
  SegmentDecoder(const SegmentDecoder&) = delete;
  SegmentDecoder& operator=(const SegmentDecoder&) = delete;

  /// Takes the next frames, whole, and gives their content to `take`. Throws
  /// Error(Side::repository, corrupt) that names the object; `take` has then got what is before the
  /// damage.
  void feed(ByteView stored, const TakeRaw& take);

 private:
  class LinkChecker;

  const std::string& object_;
  const Segment& segment_;
  std::size_t next_;    ///< The frame that comes next…
  std::int64_t begin_;  ///< …and the offset before it.
  codec::FrameInflater inflater_;
  codec::Sha256 sha256_;
  Bytes raw_;
  const std::unique_ptr<LinkChecker> links_;
};

/// Reads the raw bytes of a segment in order and in bounded memory, from the frame that holds the
/// offset `from` on, one request for some neighbouring frames after another, and checks them as
/// SegmentDecoder does.
///
/// Throws Error(Side::repository, corrupt), naming the object, if a byte of it is wrong or it is
/// gone; what `take` had got by then ends before the damage.
void read_segment_data(const store::ObjectStore& store, const std::string& object,
                       const Segment& segment, std::int64_t from, const TakeRaw& take,
                       std::stop_token stop);

}  // namespace keyrewind::catalog
