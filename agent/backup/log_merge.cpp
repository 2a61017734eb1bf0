#include "backup/log_merge.h"

#include "backup/segment_writer.h"
#include "base/error.h"
#include "base/log.h"
#include "catalog/log.h"
#include "catalog/names.h"
#include "catalog/segment_data.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace keyrewind::backup {
namespace {

using catalog::Segment;
using catalog::SegmentEntry;
using Run = std::span<const SegmentEntry>;

std::uint64_t raw_bytes(const SegmentEntry& entry) {
  return static_cast<std::uint64_t>(entry.end - entry.begin);
}

/// Finds what lies within a segment of a higher level, going through a list in its order: whatever
/// reaches over a segment comes before it there.
class Replacements {
 public:
  /// Nothing if no segment so far replaces `entry`.
  const SegmentEntry* of(const SegmentEntry& entry) const {
    for (std::size_t level = entry.level + 1; level < furthest_.size(); ++level) {
      if (furthest_[level] != nullptr && furthest_[level]->end >= entry.end) {
        return furthest_[level];
      }
    }
    return nullptr;
  }

  void add(const SegmentEntry& entry) {
    const SegmentEntry*& furthest = furthest_.at(entry.level);
    if (furthest == nullptr || furthest->end < entry.end) {
      furthest = &entry;
    }
  }

 private:
  std::array<const SegmentEntry*, catalog::names::kMaxLevel + 1> furthest_{};
};

/// A damaged version looks like a newer one.
bool is_unreadable(const Error& error) {
  return error.kind() == ErrorKind::corrupt || error.kind() == ErrorKind::incompatible;
}

/// Whether the index of `entry` can be read; with a warning if not.
bool is_sound(const store::ObjectStore& store, const SegmentEntry& entry,
              const std::stop_token& stop) {
  try {
    return catalog::read_segment(store, entry, stop).has_value();
  } catch (const Error& error) {
    if (!is_unreadable(error)) {
      throw;
    }
    log::warn("merged segment cannot be read; what it was made of is kept",
              {{"error", error.what()}});
    return false;
  }
}

/// The first segments of `run`, all of one level and each beginning where the one before ends.
struct Batch {
  std::size_t count = 0;  ///< So many fit into one.
  bool is_full = false;   ///< Nothing that comes later will join them.
};

Batch first_batch(Run run, const MergeOptions& options) {
  Batch batch;
  std::uint64_t bytes = 0;
  for (const SegmentEntry& entry : run) {
    bytes += raw_bytes(entry);
    if (batch.count == options.count || bytes > options.max_bytes ||
        entry.last - run.front().last > options.max_span) {
      batch.is_full = true;
      return batch;
    }
    ++batch.count;
  }
  batch.is_full = batch.count == options.count;
  return batch;
}

template <typename T>
void append(std::vector<T>& to, const std::vector<T>& from) {
  to.insert(to.end(), from.begin(), from.end());
}

/// Puts what `next` says behind what `merged` says. Its links come with the data.
void join(Segment& merged, const Segment& next) {
  merged.end = next.end;
  merged.commands += next.commands;
  for (const catalog::HistoryId& id : next.ids) {
    if (merged.ids.back().replid != id.replid) {
      merged.ids.push_back(id);
    }
  }
  append(merged.marks, next.marks);
  append(merged.resumptions, next.resumptions);
  append(merged.noted, next.noted);
  merged.noted_left_out += next.noted_left_out;
  if (merged.noted.size() > catalog::kMaxNoted) {
    merged.noted_left_out += merged.noted.size() - catalog::kMaxNoted;
    merged.noted.resize(catalog::kMaxNoted);
  }
}

/// The index of a segment with all that it has; nothing if the segment is gone.
std::optional<Segment> read_whole(const store::ObjectStore& store, const SegmentEntry& entry,
                                  const std::stop_token& stop) {
  const auto segment = catalog::read_segment(store, entry, stop);
  if (!segment) {
    return std::nullopt;
  }
  return catalog::read_whole_index(store, entry.object, *segment, stop);
}

/// Gives the raw bytes of `segment` to `writer`, link by link. Those keep their salts.
void copy_data(store::ObjectStore& store, const SegmentEntry& entry, const Segment& segment,
               SegmentWriter& writer, const std::stop_token& stop) {
  auto link = segment.links.begin();
  std::int64_t link_begin = segment.begin;
  catalog::read_segment_data(
      store, entry.object, segment, segment.begin,
      [&](ByteView raw, std::int64_t offset) {
        while (!raw.empty()) {
          const auto to_end = static_cast<std::size_t>(link->end - offset);
          const ByteView part = raw.first(std::min(to_end, raw.size()));
          if (offset == link_begin) {
            writer.begin_link(link->salt);
          }
          writer.append(part);
          offset += static_cast<std::int64_t>(part.size());
          raw = raw.subspan(part.size());
          if (offset == link->end) {
            link_begin = link->end;
            writer.end_link((link++)->end);
          }
        }
      },
      stop);
}

/// Returns whether it did: not if a segment has gone or the chain does not hold.
bool merge(store::ObjectStore& store, const std::string& lineage, Run run,
           const MergeOptions& options, const std::stop_token& stop) {
  const std::string name = catalog::names::segment(options.source, options.shard,
                                                   {.lineage = lineage,
                                                    .begin = run.front().begin,
                                                    .end = run.back().end,
                                                    .last = run.back().last,
                                                    .level = run.front().level + 1,
                                                    .generation = run.front().generation,
                                                    .encrypted = store.encrypts()});
  SegmentWriter writer(store, name, options.compression_level, stop);
  std::optional<Segment> merged;
  catalog::Digest chain{};
  for (const SegmentEntry& entry : run) {
    const auto segment = read_whole(store, entry, stop);
    if (!segment || (merged && segment->previous != chain)) {
      log::warn("segments not merged: the chain does not hold", {{"object", entry.object}});
      return false;
    }
    copy_data(store, entry, *segment, writer, stop);
    chain = catalog::chain_end(*segment);
    if (merged) {
      join(*merged, *segment);
    } else {
      merged = *segment;
    }
  }
  writer.complete(*merged);
  log::debug("segments merged", {{"object", name}, {"segments", run.size()}});
  return true;
}

/// How far from `run`'s front segments of its level and generation follow each other without a
/// break, all of which can be read or none.
Run same_level_run(const store::ObjectStore& store, Run run) {
  std::size_t count = 1;
  while (count < run.size() && run[count].level == run.front().level &&
         run[count].generation == run.front().generation &&
         run[count].begin == run[count - 1].end &&
         store.can_read(run[count].object) == store.can_read(run.front().object)) {
    ++count;
  }
  return run.first(count);
}

/// Like `merge`; what is damaged is no reason to leave the others.
bool try_merge(store::ObjectStore& store, const std::string& lineage, Run run,
               const MergeOptions& options, const std::stop_token& stop) {
  try {
    return merge(store, lineage, run, options, stop);
  } catch (const Error& error) {
    if (!is_unreadable(error)) {
      throw;
    }
    log::warn("segments not merged", {{"error", error.what()}});
    return false;
  }
}

std::size_t merge_lineage(store::ObjectStore& store, const std::string& lineage, Run segments,
                          const MergeOptions& options, const std::stop_token& stop) {
  std::size_t merged = 0;
  while (!segments.empty()) {
    const Run run = same_level_run(store, segments);
    const bool can_rise =
        run.front().level < catalog::names::kMaxLevel && store.can_read(run.front().object);
    const Batch batch = can_rise ? first_batch(run, options) : Batch{run.size(), false};
    if (batch.is_full && batch.count > 1) {
      merged += try_merge(store, lineage, run.first(batch.count), options, stop) ? 1U : 0U;
    }
    // One that is large enough stands alone; the ones behind it may still be merged.
    segments = segments.subspan(std::max<std::size_t>(batch.count, 1));
  }
  return merged;
}

}  // namespace

std::size_t merge_log(store::ObjectStore& store, const MergeOptions& options,
                      std::stop_token stop) {
  std::size_t merged = 0;
  const auto logs = catalog::list_logs(store, options.source, options.shard, stop);
  for (const auto& [lineage, segments] : logs) {
    const std::vector<SegmentEntry> left = remove_replaced(store, segments, stop);
    merged += merge_lineage(store, lineage, left, options, stop);
  }
  return merged;
}

std::vector<const SegmentEntry*> find_replacements(Run segments) {
  Replacements replacements;
  std::vector<const SegmentEntry*> found;
  for (const SegmentEntry& entry : segments) {
    found.push_back(replacements.of(entry));
    replacements.add(entry);
  }
  return found;
}

std::vector<SegmentEntry> remove_replaced(store::ObjectStore& store, Run segments,
                                          std::stop_token stop) {
  const std::vector<const SegmentEntry*> replacements = find_replacements(segments);
  std::map<const SegmentEntry*, bool> sound;
  std::vector<SegmentEntry> left;
  for (std::size_t i = 0; i < segments.size(); ++i) {
    const SegmentEntry* by = replacements[i];
    if (by == nullptr) {
      left.push_back(segments[i]);
      continue;
    }
    if (!sound.contains(by)) {
      sound[by] = is_sound(store, *by, stop);
    }
    if (sound[by]) {
      catalog::remove_segment(store, segments[i].object, stop);
    }
  }
  return left;
}

}  // namespace keyrewind::backup
