#include "catalog/segment_data.h"

#include "base/error.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <optional>
#include <string_view>

namespace keyrewind::catalog {
namespace {

Error damaged(const std::string& object, std::int64_t offset, std::string_view what) {
  return {Side::repository, ErrorKind::corrupt,
          fmt::format("{} is damaged: {} behind offset {}", object, what, offset)};
}

/// Nearly every index is within it.
constexpr std::uint64_t kFirstTail = 64U << 10U;

bool equal(ByteView digest, const Digest& expected) {
  return std::ranges::equal(digest, expected);
}

/// What one request fetches: a few frames.
constexpr std::uint64_t kRunBytes = 4U << 20U;

}  // namespace

/// Checks the raw bytes of each link that is read from its beginning.
class SegmentDecoder::LinkChecker {
 public:
  LinkChecker(const std::string& object, const Segment& segment, std::int64_t from)
      : object_(object), links_(segment.links), offset_(from) {
    // The link that `from` lies within is only checked if it begins there.
    std::int64_t begin = segment.begin;
    while (next_ < links_.size() && begin < from) {
      begin = links_[next_++].end;
    }
    checked_from_ = begin;
  }

  void feed(ByteView raw) {
    while (!raw.empty() && next_ < links_.size()) {
      if (offset_ == checked_from_) {
        sha256_.feed(as_bytes(links_[next_].salt));
      }
      if (offset_ < checked_from_) {
        const ByteView skipped = raw.first(up_to(checked_from_, raw));
        offset_ += static_cast<std::int64_t>(skipped.size());
        raw = raw.subspan(skipped.size());
        continue;
      }
      const ByteView part = raw.first(up_to(links_[next_].end, raw));
      sha256_.feed(part);
      offset_ += static_cast<std::int64_t>(part.size());
      raw = raw.subspan(part.size());
      if (offset_ == links_[next_].end) {
        if (!equal(sha256_.digest(), links_[next_].sha256)) {
          throw damaged(object_, checked_from_, "the stream's SHA-256 is another");
        }
        checked_from_ = offset_;
        ++next_;
      }
    }
  }

 private:
  std::size_t up_to(std::int64_t end, ByteView raw) const {
    return std::min(static_cast<std::size_t>(end - offset_), raw.size());
  }

  const std::string& object_;
  const std::vector<Link>& links_;
  std::int64_t offset_;
  std::int64_t checked_from_ = 0;
  std::size_t next_ = 0;
  codec::Sha256 sha256_;
};

Segment read_whole_index(const store::ObjectStore& store, const std::string& object,
                         const Segment& segment, std::stop_token stop) {
  if (segment.held_bytes == 0) {
    return segment;
  }
  SegmentTail tail{.segment = {}, .needed = kFirstTail};
  for (int attempt = 0; attempt < 2 && !tail.segment; ++attempt) {
    Bytes end(static_cast<std::size_t>(std::min(tail.needed, segment.held_bytes)));
    store.read(object, segment.held_bytes - end.size(), end, stop);
    tail = decode_segment_index(end);
  }
  if (!tail.segment || plain_part(*tail.segment, segment.held_bytes) != segment) {
    throw damaged(object, segment.begin, "its index is another than the plain one beside it");
  }
  return *std::move(tail.segment);
}

std::vector<FrameRun> data_runs(const Segment& segment, std::int64_t from, std::int64_t to,
                                std::uint64_t max_bytes) {
  std::size_t first = 0;
  std::size_t end = 0;
  std::int64_t begin = segment.begin;
  for (const codec::Frame& frame : segment.frames) {
    first += begin + frame.raw_bytes <= from ? 1U : 0U;
    end += begin < to ? 1U : 0U;
    begin += frame.raw_bytes;
  }
  return frame_runs(segment.frames, first, end, max_bytes);
}

SegmentDecoder::SegmentDecoder(const std::string& object, const Segment& segment, std::size_t first)
    : object_(object),
      segment_(segment),
      next_(first),
      begin_(std::accumulate(
          segment.frames.begin(), segment.frames.begin() + static_cast<std::ptrdiff_t>(first),
          segment.begin,
          [](std::int64_t sum, const codec::Frame& frame) { return sum + frame.raw_bytes; })),
      links_(std::make_unique<LinkChecker>(object, segment, begin_)) {}

SegmentDecoder::~SegmentDecoder() = default;

void SegmentDecoder::feed(ByteView stored, const TakeRaw& take) {
  while (!stored.empty()) {
    const codec::Frame& frame = segment_.frames[next_++];
    const ByteView own = stored.first(frame.stored_bytes);
    stored = stored.subspan(own.size());
    sha256_.feed(own);
    if (!equal(sha256_.digest(), frame.sha256)) {
      throw damaged(object_, begin_, "a frame's SHA-256 is another");
    }
    try {
      inflater_.inflate(own, frame.raw_bytes, raw_);
    } catch (const Error&) {
      throw damaged(object_, begin_, "a frame does not inflate");
    }
    links_->feed(raw_);
    take(raw_, begin_);
    begin_ += frame.raw_bytes;
  }
}

void read_segment_data(const store::ObjectStore& store, const std::string& object,
                       const Segment& segment, std::int64_t from, const TakeRaw& take,
                       std::stop_token stop) {
  if (segment.held_bytes != 0) {
    read_segment_data(store, object, read_whole_index(store, object, segment, stop), from, take,
                      stop);
    return;
  }
  std::optional<SegmentDecoder> decoder;
  Bytes stored;
  for (const FrameRun& run : data_runs(segment, from, segment.end, kRunBytes)) {
    if (!decoder) {
      decoder.emplace(object, segment, run.first);
    }
    stored.resize(static_cast<std::size_t>(run.bytes));
    store.read(object, run.offset, stored, stop);
    decoder->feed(stored, [&](ByteView raw, std::int64_t begin) {
      if (stop.stop_requested()) {
        throw Error(ErrorKind::cancelled, "stopped");
      }
      take(raw, begin);
    });
  }
}

}  // namespace keyrewind::catalog
