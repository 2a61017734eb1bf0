#include "backup/segment_writer.h"

#include "aof/framer.h"
#include "base/error.h"
#include "catalog/names.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <utility>

namespace keyrewind::backup {
namespace {

/// Raw bytes of a frame, but for the last of a segment.
constexpr std::size_t kFrameBytes = 4U << 20U;

/// Of an index that is compared with ours.
constexpr std::uint64_t kMaxOtherIndexBytes = catalog::kMaxSegmentIndexBytes + 1024;

/// Marks are not nearer to each other than this: it is what `--at` is exact to.
constexpr std::chrono::milliseconds kMarkSpacing{10};

/// Gathers what a segment says of itself while its bytes go by.
class Describer {
 public:
  Describer(const JournalHead& head, const catalog::Digest& previous)
      : framer_(head.position.offset, head.database) {
    segment_.source = head.source;
    segment_.shard = head.shard;
    segment_.lineage = head.lineage;
    segment_.begin = head.position.offset;
    segment_.end = head.position.offset;
    segment_.database = head.database;
    segment_.previous = previous;
    segment_.ids.push_back({head.position.offset, head.position.replid});
  }

  void data(ByteView raw, Timestamp at) {
    if (framer_.feed(raw) != raw.size()) {
      throw Error(ErrorKind::internal, "a journal holds a keep-alive");
    }
    if (framer_.safe() > segment_.end) {
      segment_.end = framer_.safe();
      mark(at);
    }
    for (aof::NotedCommand& noted : framer_.take_noted()) {
      if (segment_.noted.size() < catalog::kMaxNoted) {
        segment_.noted.push_back(std::move(noted));
      } else {
        ++segment_.noted_left_out;
      }
    }
  }

  void resumed(const JournalRecord& record) {
    segment_.resumptions.push_back({record.offset, record.at, std::string(as_text(record.text))});
  }

  void renamed(const JournalRecord& record) {
    const catalog::HistoryId id{record.offset, std::string(as_text(record.text))};
    if (segment_.ids.back().offset == id.offset) {
      segment_.ids.back() = id;
    } else {
      segment_.ids.push_back(id);
    }
  }

  catalog::Segment finish(std::int64_t end) {
    if (framer_.safe() != end || framer_.offset() != end) {
      throw Error(
          ErrorKind::internal,
          fmt::format("a journal ends at {}, not at its safe offset {}", end, framer_.safe()));
    }
    segment_.commands = framer_.commands();
    return std::move(segment_);
  }

 private:
  void mark(Timestamp at) {
    const bool same_group =
        !segment_.marks.empty() && at >= segment_.marks.back().at && at - group_ < kMarkSpacing;
    if (!same_group) {
      segment_.marks.push_back({});
      group_ = at;
    }
    segment_.marks.back() = {segment_.end, at};
  }

  aof::Framer framer_;
  catalog::Segment segment_;
  Timestamp group_{};  ///< When the first byte of the last mark's group had arrived.
};

/// Reads the journal up to its end, gives the raw bytes to `take`, and describes it.
catalog::Segment read_journal(const Spool::Sealed& sealed, const catalog::Digest& previous,
                              const std::function<void(ByteView)>& take) {
  JournalReader reader(sealed.path);
  Describer describer(reader.head(), previous);
  std::int64_t offset = reader.head().position.offset;
  while (offset < sealed.end) {
    const auto record = reader.next();
    if (!record) {
      throw Error(ErrorKind::failed,
                  fmt::format("journal {} ends at offset {} instead of {}; it was changed or lost "
                              "by somebody else",
                              sealed.path.string(), offset, sealed.end));
    }
    switch (record->kind) {
      case JournalRecord::Kind::data: {
        const auto left = static_cast<std::uint64_t>(sealed.end - offset);
        const ByteView raw = record->text.first(std::min<std::uint64_t>(left, record->text.size()));
        describer.data(raw, record->at);
        take(raw);
        offset += static_cast<std::int64_t>(raw.size());
        break;
      }
      case JournalRecord::Kind::resumed:
        describer.resumed(*record);
        break;
      case JournalRecord::Kind::renamed:
        describer.renamed(*record);
        break;
      case JournalRecord::Kind::sealed:
        break;
    }
  }
  return describer.finish(sealed.end);
}

}  // namespace

SegmentWriter::SegmentWriter(store::ObjectStore& store, const std::string& name,
                             int compression_level, std::stop_token stop)
    : store_(store),
      name_(name),
      stop_(std::move(stop)),
      upload_(store.upload(name, stop_)),
      compressor_(compression_level) {}

void SegmentWriter::begin_link(const std::string& salt) {
  salt_ = salt;
  link_sha256_.feed(as_bytes(salt_));
}

void SegmentWriter::append(ByteView raw) {
  link_sha256_.feed(raw);
  while (!raw.empty()) {
    const std::size_t room = kFrameBytes - raw_.size();
    const ByteView part = raw.first(std::min(room, raw.size()));
    raw_.insert(raw_.end(), part.begin(), part.end());
    raw = raw.subspan(part.size());
    if (raw_.size() == kFrameBytes) {
      flush();
    }
  }
}

void SegmentWriter::flush() {
  if (raw_.empty()) {
    return;
  }
  compressor_.compress(raw_, frame_);
  codec::Frame entry{.stored_bytes = static_cast<std::uint32_t>(frame_.size()),
                     .raw_bytes = static_cast<std::uint32_t>(raw_.size())};
  codec::Sha256 sha256;
  sha256.feed(frame_);
  std::ranges::copy(sha256.digest(), entry.sha256.begin());
  frames_.push_back(entry);
  store(frame_);
  raw_.clear();
}

void SegmentWriter::store(ByteView bytes) {
  upload_->append(bytes);
  stored_bytes_ += bytes.size();
}

void SegmentWriter::end_link(std::int64_t end) {
  catalog::Link link{.end = end, .salt = salt_};
  std::ranges::copy(link_sha256_.digest(), link.sha256.begin());
  links_.push_back(link);
}

void SegmentWriter::complete(catalog::Segment& segment) {
  flush();
  segment.frames = std::move(frames_);
  segment.links = std::move(links_);
  store(catalog::encode_segment_index(segment));
  if (name_.ends_with(store::kEncryptedSuffix)) {
    put_plain_index(segment);
  }
  upload_->complete();
}

/// The segment is not there yet, so another index of its name is of an attempt that failed.
void SegmentWriter::put_plain_index(const catalog::Segment& segment) {
  const std::string name = catalog::names::segment_index(name_);
  const Bytes index = catalog::encode_segment_index(catalog::plain_part(segment, stored_bytes_));
  if (!store_.put_if_absent(name, index, stop_) &&
      store_.get(name, std::max<std::uint64_t>(index.size(), kMaxOtherIndexBytes), stop_) !=
          index) {
    store_.remove(name, stop_);
    store_.put_if_absent(name, index, stop_);
  }
}

std::string segment_name(const Spool::Sealed& sealed, std::uint64_t generation, bool encrypted) {
  const JournalHead& head = sealed.head;
  return catalog::names::segment(head.source, head.shard,
                                 {.lineage = head.lineage,
                                  .begin = head.position.offset,
                                  .end = sealed.end,
                                  .last = sealed.last,
                                  .level = 0,
                                  .generation = generation,
                                  .encrypted = encrypted});
}

StoredSegment store_segment(store::ObjectStore& store, const Spool::Sealed& sealed,
                            const catalog::Digest& previous, std::uint64_t generation,
                            int compression_level, std::stop_token stop) {
  StoredSegment stored;
  const bool encrypted = store.encrypts();
  stored.object = segment_name(sealed, generation, encrypted);
  SegmentWriter writer(store, stored.object, compression_level, stop);
  writer.begin_link(encrypted ? sealed.head.salt : std::string());
  stored.segment = read_journal(sealed, previous, [&](ByteView raw) { writer.append(raw); });
  writer.end_link(sealed.end);
  writer.complete(stored.segment);
  stored.stored_bytes = writer.stored_bytes();
  return stored;
}

catalog::Segment describe_segment(const Spool::Sealed& sealed, const catalog::Digest& previous,
                                  bool encrypted) {
  codec::Sha256 sha256;
  if (encrypted) {
    sha256.feed(as_bytes(sealed.head.salt));
  }
  catalog::Segment segment =
      read_journal(sealed, previous, [&](ByteView raw) { sha256.feed(raw); });
  catalog::Link link{.end = sealed.end};
  std::ranges::copy(sha256.digest(), link.sha256.begin());
  segment.links.push_back(link);
  return segment;
}

}  // namespace keyrewind::backup
