#pragma once

#include "catalog/log.h"
#include "store/object_store.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

namespace keyrewind::backup {

struct MergeOptions {
  std::string source;
  std::string shard;
  int compression_level = 1;
  std::size_t count = 32;                ///< So many segments of one level become one of the next.
  std::uint64_t max_bytes = 64U << 20U;  ///< Raw, of a merged segment.
  /// Of a merged segment, as the names of the ones before tell: it bounds the marks in its index.
  std::chrono::seconds max_span{3600};
};

/// One pass over the log of a shard: first removes the segments that a merged one of an earlier
/// pass replaces, then merges what has gathered since. Every byte is covered by a whole segment at
/// any moment, whatever ends the pass; what a reader has listed stays until the next pass.
///
/// Every merged byte is checked on its way. Damaged segments are left as they are, with a warning,
/// and so are those that a damaged one would replace. Segments of different generations are never
/// merged, nor those that this process cannot read because they are encrypted.
/// The caller holds the shard's lease. Returns how many merged segments were made.
std::size_t merge_log(store::ObjectStore& store, const MergeOptions& options, std::stop_token stop);

/// For each of `segments`, which are of one lineage in the order of list_logs: which of them, of a
/// higher level, it lies within; nothing if there is none. They point into `segments`.
std::vector<const catalog::SegmentEntry*> find_replacements(
    std::span<const catalog::SegmentEntry> segments);

/// The first half of a pass: removes those of `segments` (as above) that lie within a sound one of
/// a higher level. Returns those that none replaces. Whoever calls it is the only one who does.
std::vector<catalog::SegmentEntry> remove_replaced(store::ObjectStore& store,
                                                   std::span<const catalog::SegmentEntry> segments,
                                                   std::stop_token stop);

}  // namespace keyrewind::backup
