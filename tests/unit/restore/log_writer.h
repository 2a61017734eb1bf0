#pragma once

#include "base/bytes.h"
#include "base/clock.h"
#include "catalog/log.h"
#include "catalog/names.h"
#include "catalog/segment.h"
#include "catalog/timeline.h"
#include "codec/sha256.h"
#include "codec/zstd_frame.h"
#include "store/object_store.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace keyrewind::restore::test {

/// Writes the log of one lineage into a store as an agent does, segment by segment, from bytes that
/// a test has; encrypted if the store does that.
class LogWriter {
 public:
  /// Bytes of the stream in one frame: little, so that short logs have several.
  static constexpr std::size_t kFrameBytes = 64;

  LogWriter(store::ObjectStore& store, std::string source, std::string lineage, std::string replid,
            std::int64_t begin)
      : store_(store),
        source_(std::move(source)),
        lineage_(std::move(lineage)),
        replid_(std::move(replid)),
        end_(begin),
        chain_(catalog::chain_start(lineage_, begin)) {}

  std::int64_t end() const { return end_; }

  /// Seals `raw` as the next segment, with `marks` in it and one at its end.
  void seal(std::string_view raw, Timestamp at, std::vector<catalog::TimeMark> marks = {}) {
    const std::int64_t begin = end_;
    end_ += static_cast<std::int64_t>(raw.size());
    marks.push_back({end_, at});
    catalog::Link link{.end = end_};
    link.salt = store_.encrypts() ? std::string(32, '5') : "";
    link.sha256 = digest_of(as_bytes(link.salt + std::string(raw)));
    put(begin, as_bytes(raw), {link}, std::move(marks), 0);
    chain_ = catalog::chain_after(chain_, link);
    raw_ += raw;
  }

  /// Puts one object in the place of the segments `first` to `last`, which stay or go. `alter` may
  /// change what its frames hold behind the back of its links.
  void merge(std::size_t first, std::size_t last, bool remove = true,
             const std::function<void(std::string& raw)>& alter = {}) {
    std::vector<catalog::Link> links;
    std::vector<catalog::TimeMark> marks;
    for (std::size_t i = first; i <= last; ++i) {
      links.insert(links.end(), segments_[i].links.begin(), segments_[i].links.end());
      marks.insert(marks.end(), segments_[i].marks.begin(), segments_[i].marks.end());
    }
    const std::int64_t start = segments_.front().begin;
    const std::int64_t begin = segments_[first].begin;
    const std::int64_t length = segments_[last].end - begin;
    std::string raw =
        raw_.substr(static_cast<std::size_t>(begin - start), static_cast<std::size_t>(length));
    if (alter) {
      alter(raw);
    }
    chain_ = segments_[first].previous;
    put(begin, as_bytes(raw), std::move(links), std::move(marks), 1);
    if (remove) {
      for (std::size_t i = first; i <= last; ++i) {
        store_.remove(objects_[i].object, {});
      }
    }
  }

  const std::vector<catalog::Segment>& segments() const { return segments_; }
  const std::vector<catalog::SegmentEntry>& objects() const { return objects_; }

  /// All that was sealed so far.
  const std::string& raw() const { return raw_; }

  /// The window that all of it makes behind a snapshot at its beginning, taken at `from`.
  catalog::Window window(Timestamp from) const {
    catalog::Window window;
    window.lineage = lineage_;
    window.begin = segments_.front().begin;
    window.end = end_;
    window.from = from;
    window.until = segments_.back().marks.back().at;
    window.snapshots.emplace_back();
    window.snapshots.back().commit.id = "base";
    window.snapshots.back().snapshot.shard = "0";
    window.snapshots.back().snapshot.lineage = lineage_;
    window.snapshots.back().snapshot.offset = window.begin;
    for (const catalog::SegmentEntry& object : objects_) {
      window.log.push_back(catalog::span_of(object));
    }
    window.segments = segments_;
    return window;
  }

 private:
  static catalog::Digest digest_of(ByteView bytes) {
    codec::Sha256 sha256;
    sha256.feed(bytes);
    catalog::Digest digest;
    std::ranges::copy(sha256.digest(), digest.begin());
    return digest;
  }

  void put(std::int64_t begin, ByteView raw, std::vector<catalog::Link> links,
           std::vector<catalog::TimeMark> marks, std::uint64_t level) {
    catalog::Segment segment;
    segment.source = source_;
    segment.shard = "0";
    segment.lineage = lineage_;
    segment.begin = begin;
    segment.end = begin + static_cast<std::int64_t>(raw.size());
    segment.ids = {{begin, replid_}};
    segment.previous = chain_;
    segment.links = std::move(links);
    segment.marks = std::move(marks);
    Bytes object;
    codec::FrameCompressor compressor(1);
    while (!raw.empty()) {
      const ByteView piece = raw.first(std::min(raw.size(), kFrameBytes));
      Bytes frame;
      compressor.compress(piece, frame);
      segment.frames.push_back({static_cast<std::uint32_t>(frame.size()),
                                static_cast<std::uint32_t>(piece.size()), digest_of(frame)});
      object.insert(object.end(), frame.begin(), frame.end());
      raw = raw.subspan(piece.size());
    }
    const Bytes index = catalog::encode_segment_index(segment);
    object.insert(object.end(), index.begin(), index.end());
    const Timestamp last = segment.marks.back().at;
    const catalog::SegmentEntry entry{catalog::names::segment(source_, "0",
                                                              {.lineage = lineage_,
                                                               .begin = segment.begin,
                                                               .end = segment.end,
                                                               .last = last,
                                                               .level = level,
                                                               .encrypted = store_.encrypts()}),
                                      object.size(),
                                      segment.begin,
                                      segment.end,
                                      last,
                                      level};
    store_.put_if_absent(entry.object, object, {});
    if (store_.encrypts()) {
      segment = catalog::plain_part(segment, object.size());
      store_.put_if_absent(catalog::names::segment_index(entry.object),
                           catalog::encode_segment_index(segment), {});
    }
    if (level == 0) {
      segments_.push_back(std::move(segment));
      objects_.push_back(entry);
    }
  }

  store::ObjectStore& store_;
  const std::string source_;
  const std::string lineage_;
  const std::string replid_;
  std::int64_t end_;
  catalog::Digest chain_;
  std::string raw_;
  std::vector<catalog::Segment> segments_;
  std::vector<catalog::SegmentEntry> objects_;
};

}  // namespace keyrewind::restore::test
