#include "backup/log_merge.h"

#include "backup/segment_writer.h"
#include "base/error.h"
#include "base/log.h"
#include "catalog/log.h"
#include "catalog/names.h"
#include "catalog/segment_data.h"

#include <algorithm>
#include <iterator>
#include <span>
#include <vector>

namespace keyrewind::backup {
namespace {

using catalog::Segment;
using catalog::SegmentEntry;
using Run = std::span<const SegmentEntry>;

std::uint64_t raw_bytes(const SegmentEntry& entry) {
  return static_cast<std::uint64_t>(entry.end - entry.begin);
}

/// Removes the segments that lie within one of a higher level.
void remove_replaced(store::ObjectStore& store, std::vector<SegmentEntry>& segments,
                     const std::stop_token& stop) {
  const auto is_replaced = [&](const SegmentEntry& entry) {
    return std::ranges::any_of(segments, [&](const SegmentEntry& other) {
      return other.level > entry.level && other.begin <= entry.begin && entry.end <= other.end;
    });
  };
  std::vector<SegmentEntry> kept;
  for (const SegmentEntry& entry : segments) {
    if (is_replaced(entry)) {
      store.remove(entry.object, stop);
    } else {
      kept.push_back(entry);
    }
  }
  segments = std::move(kept);
}

/// The first segments of `run`, all of one level and each beginning where the one before ends, that
/// are worth merging; none if there are too few yet.
Run first_batch(Run run, const MergeOptions& options) {
  std::uint64_t bytes = 0;
  std::size_t count = 0;
  while (count < run.size() && count < options.count &&
         bytes + raw_bytes(run[count]) <= options.max_bytes) {
    bytes += raw_bytes(run[count++]);
  }
  const bool full = count == options.count || (count < run.size() && count > 1);
  return full ? run.first(count) : Run();
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

/// Gives the raw bytes of `segment` to `writer`, with an end of link wherever there is one.
void copy_data(store::ObjectStore& store, const SegmentEntry& entry, const Segment& segment,
               SegmentWriter& writer, const std::stop_token& stop) {
  auto link = segment.links.begin();
  catalog::read_segment_data(
      store, entry.object, segment, segment.begin,
      [&](ByteView raw, std::int64_t offset) {
        while (!raw.empty()) {
          const auto to_end = static_cast<std::size_t>(link->end - offset);
          const ByteView part = raw.first(std::min(to_end, raw.size()));
          writer.append(part);
          offset += static_cast<std::int64_t>(part.size());
          raw = raw.subspan(part.size());
          if (offset == link->end) {
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
                                                    .level = run.front().level + 1});
  SegmentWriter writer(store, name, options.compression_level, stop);
  std::optional<Segment> merged;
  catalog::Digest chain{};
  for (const SegmentEntry& entry : run) {
    const auto segment = catalog::read_segment(store, entry, stop);
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

/// How far from `run`'s front segments of its level follow each other without a break.
Run same_level_run(Run run) {
  std::size_t count = 1;
  while (count < run.size() && run[count].level == run.front().level &&
         run[count].begin == run[count - 1].end) {
    ++count;
  }
  return run.first(count);
}

std::size_t merge_lineage(store::ObjectStore& store, const std::string& lineage, Run segments,
                          const MergeOptions& options, const std::stop_token& stop) {
  std::size_t merged = 0;
  while (!segments.empty()) {
    const Run run = same_level_run(segments);
    const Run batch =
        run.front().level < catalog::names::kMaxLevel ? first_batch(run, options) : Run();
    if (batch.empty()) {
      // One that is large enough stands alone; the ones behind it may still be merged.
      const bool large = raw_bytes(run.front()) * 2 > options.max_bytes;
      segments = segments.subspan(large ? 1 : run.size());
      continue;
    }
    try {
      merged += merge(store, lineage, batch, options, stop) ? 1U : 0U;
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::corrupt) {
        throw;
      }
      log::warn("segments not merged", {{"error", error.what()}});
    }
    segments = segments.subspan(batch.size());
  }
  return merged;
}

}  // namespace

std::size_t merge_log(store::ObjectStore& store, const MergeOptions& options,
                      std::stop_token stop) {
  std::size_t merged = 0;
  for (auto& [lineage, segments] : catalog::list_logs(store, options.source, options.shard, stop)) {
    remove_replaced(store, segments, stop);
    merged += merge_lineage(store, lineage, segments, options, stop);
  }
  return merged;
}

}  // namespace keyrewind::backup
