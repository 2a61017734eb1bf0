#include "catalog/segment_data.h"

#include "base/error.h"
#include "codec/sha256.h"
#include "codec/zstd_frame.h"

#include <fmt/format.h>

#include <algorithm>

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

/// Checks the raw bytes of each link that is read from its beginning.
class LinkChecker {
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

}  // namespace

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

void read_segment_data(const store::ObjectStore& store, const std::string& object,
                       const Segment& segment, std::int64_t from,
                       const std::function<void(ByteView raw, std::int64_t begin)>& take,
                       std::stop_token stop) {
  if (segment.held_bytes != 0) {
    read_segment_data(store, object, read_whole_index(store, object, segment, stop), from, take,
                      stop);
    return;
  }
  codec::FrameInflater inflater;
  codec::Sha256 sha256;
  Bytes stored;
  Bytes raw;
  std::uint64_t position = 0;
  std::int64_t begin = segment.begin;
  std::optional<LinkChecker> links;
  for (const codec::Frame& frame : segment.frames) {
    const std::int64_t end = begin + frame.raw_bytes;
    if (end > from) {
      if (!links) {
        links.emplace(object, segment, begin);
      }
      stored.resize(frame.stored_bytes);
      store.read(object, position, stored, stop);
      sha256.feed(stored);
      if (!equal(sha256.digest(), frame.sha256)) {
        throw damaged(object, begin, "a frame's SHA-256 is another");
      }
      try {
        inflater.inflate(stored, frame.raw_bytes, raw);
      } catch (const Error&) {
        throw damaged(object, begin, "a frame does not inflate");
      }
      links->feed(raw);
      take(raw, begin);
    }
    position += frame.stored_bytes;
    begin = end;
  }
}

}  // namespace keyrewind::catalog
