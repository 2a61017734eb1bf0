#include "copies/log_copy.h"

#include "backup/log_merge.h"
#include "catalog/log.h"
#include "catalog/log_runs.h"
#include "catalog/names.h"
#include "copies/segment_check.h"
#include "flow/parallel_for.h"
#include "flow/pool.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace keyrewind::copies {
namespace {

namespace names = catalog::names;
using catalog::SegmentEntry;
using Logs = std::map<std::string, std::vector<SegmentEntry>>;

/// Objects by name, and how many bytes they have.
using Objects = std::map<std::string, std::uint64_t>;

Objects list_log_objects(const store::ObjectStore& store, const std::string& source,
                         const std::stop_token& stop) {
  Objects objects;
  for (const store::ObjectInfo& object : store.list(names::shards(source), stop)) {
    if (names::is_of_agent(object.name)) {
      objects[object.name] = object.bytes;
    }
  }
  return objects;
}

/// Whether it is for us to copy it.
bool is_of_log(const std::string& source, const std::string& name) {
  return name.starts_with(names::shards(source)) && names::is_of_agent(name);
}

/// The shard of an object of the log.
std::string shard_of(const std::string& source, const std::string& name) {
  const std::size_t begin = names::shards(source).size();
  return name.substr(begin, name.find('/', begin) - begin);
}

std::set<std::string> shards_among(const std::string& source, const Objects& objects) {
  std::set<std::string> shards;
  for (const auto& [name, bytes] : objects) {
    shards.insert(shard_of(source, name));
  }
  return shards;
}

/// What is covered of a lineage's offsets.
class Coverage {
 public:
  /// `segments` are in the order of list_logs.
  explicit Coverage(const std::vector<SegmentEntry>& segments) {
    for (const SegmentEntry& segment : segments) {
      if (!parts_.empty() && segment.begin <= parts_.rbegin()->second) {
        std::int64_t& end = parts_.rbegin()->second;
        end = std::max(end, segment.end);
      } else {
        parts_[segment.begin] = segment.end;
      }
    }
  }

  bool holds(const SegmentEntry& segment) const {
    const auto after = parts_.upper_bound(segment.begin);
    return after != parts_.begin() && std::prev(after)->second >= segment.end;
  }

 private:
  std::map<std::int64_t, std::int64_t> parts_;  ///< End by begin; none touch.
};

/// When the first byte of `segments[at]` arrived, at the latest: a merged one holds older bytes
/// than its name says.
Timestamp first_arrival(const std::vector<SegmentEntry>& segments, std::size_t at) {
  const SegmentEntry& segment = segments[at];
  if (segment.level != 0) {
    const auto before = std::ranges::find(segments, segment.begin, &SegmentEntry::end);
    if (before != segments.end()) {
      return std::min(before->last, segment.last);
    }
  }
  return segment.last;
}

class LogCopy {
 public:
  LogCopy(const Sides& sides, const CopyOptions& options, const CopyObserver& observer,
          Progress& progress, std::stop_token stop)
      : sides_(sides),
        options_(options),
        stop_(std::move(stop)),
        account_(observer, progress),
        large_(1, [] { return Turn(); }) {}

  CopyReport copy_all() {
    there_ = list_log_objects(sides_.from, options_.source, stop_);
    const auto lock = options_.tidy ? tidy() : nullptr;
    has_ = list_log_objects(sides_.to, options_.source, stop_);
    for (const std::string& shard : shards_among(options_.source, there_)) {
      plan_segments(shard);
    }
    plan_others();
    std::ranges::sort(urgent_, {}, [](const Job& job) { return std::tie(job.time, job.name); });
    copy(urgent_);
    copy(merged_);
    copy_not_replaced();
    return account_.report();
  }

  CopyReport copy_these(std::span<const std::string> wanted) {
    std::vector<Job> jobs;
    for (const std::string& name : wanted) {
      if (!is_of_log(options_.source, name)) {
        continue;
      }
      const auto object = sides_.from.head(name, stop_);
      if (!object) {
        account_.gone(name);
        continue;
      }
      Job job{.name = name, .bytes = object->bytes};
      if (name.ends_with(store::kEncryptedSuffix)) {
        const auto index = sides_.from.head(names::segment_index(name), stop_);
        job.index_bytes = index ? std::optional(index->bytes) : std::nullopt;
      }
      account_.lacks(name, job.bytes, time_of_log_object(options_.source, name));
      jobs.push_back(std::move(job));
    }
    copy(jobs);
    return account_.report();
  }

 private:
  /// An object to be copied, and, of an encrypted segment, its plain index before it.
  struct Job {
    std::string name;
    std::uint64_t bytes = 0;
    std::optional<std::uint64_t> index_bytes{};  ///< If the index is to be copied.
    bool index_only = false;
    Timestamp time{};
  };
  /// The right to hold a large object's pieces.
  struct Turn {};

  /// What nobody else does in a copy. Returns the lock under which it may be done.
  std::unique_ptr<store::StoreLock> tidy() {
    auto lock = sides_.to.try_lock(names::source(options_.source) + "copier-log", stop_);
    if (!lock) {
      return nullptr;
    }
    sides_.to.remove_abandoned_uploads(
        names::shards(options_.source),
        [](const std::string& name) { return names::is_of_agent(name); }, stop_);
    const Objects has = list_log_objects(sides_.to, options_.source, stop_);
    for (const std::string& shard : shards_among(options_.source, has)) {
      for (const auto& [lineage, segments] :
           catalog::list_logs(sides_.to, options_.source, shard, stop_)) {
        backup::remove_replaced(sides_.to, segments, stop_);
      }
      catalog::write_log_pages(sides_.to, options_.source, shard, stop_);
      remove_waste(shard);
    }
    return lock;
  }

  void remove_waste(const std::string& shard) {
    for (const std::string& waste :
         catalog::list_log_waste(sides_.to, options_.source, shard, stop_)) {
      const auto segment = names::segment_of_index(waste);
      if (!segment) {
        catalog::remove_segment(sides_.to, waste, stop_);
      } else if (!there_.contains(*segment)) {
        // Else its segment may be on its way.
        sides_.to.remove(waste, stop_);
      }
    }
  }

  void plan_segments(const std::string& shard) {
    const Logs from = catalog::list_logs(sides_.from, options_.source, shard, stop_);
    const Logs to = catalog::list_logs(sides_.to, options_.source, shard, stop_);
    for (const auto& [lineage, segments] : from) {
      const auto known = to.find(lineage);
      const auto there = known == to.end() ? std::vector<SegmentEntry>() : known->second;
      if (is_begun_anew(segments, there)) {
        add_conflict(lineage, segments);
        continue;
      }
      const Coverage coverage(there);
      const auto replacements = backup::find_replacements(segments);
      for (std::size_t i = 0; i < segments.size(); ++i) {
        if (replacements[i] != nullptr) {
          replaced_by_[segments[i].object] = replacements[i]->object;
        }
        plan_segment(segments, i, coverage);
      }
    }
  }

  /// Whether one side holds a later generation that the other knows nothing of, because its log was
  /// lost and begun anew: together, the one would make the other's segments stale that nothing
  /// replaces.
  bool is_begun_anew(const std::vector<SegmentEntry>& from,
                     const std::vector<SegmentEntry>& to) const {
    std::vector<SegmentEntry> all = from;
    all.insert(all.end(), to.begin(), to.end());
    const std::vector<SegmentEntry> stale = catalog::take_stale(all);
    const auto is_among = [](const std::vector<SegmentEntry>& segments, const SegmentEntry& one) {
      return std::ranges::find(segments, one.object, &SegmentEntry::object) != segments.end();
    };
    return std::ranges::any_of(stale, [&](const SegmentEntry& segment) {
      // A copy that has stale ones still is only behind.
      return is_among(from, segment) || !options_.tidy;
    });
  }

  void add_conflict(const std::string& lineage, const std::vector<SegmentEntry>& segments) {
    for (const SegmentEntry& segment : segments) {
      if (is_lacking(segment.object, segment.bytes)) {
        account_.lacks(segment.object, 0, segment.last);
      }
    }
    account_.add_problem(
        {Side::repository, ErrorKind::corrupt,
         fmt::format("the log of lineage {} in {} and that in {} do not go together: after a loss "
                     "one was begun anew; keep each where it is, and name another place to copy to",
                     lineage, sides_.from.url(), sides_.to.url())});
  }

  void plan_segment(const std::vector<SegmentEntry>& segments, std::size_t at,
                    const Coverage& coverage) {
    const SegmentEntry& segment = segments[at];
    Job job{.name = segment.object, .bytes = segment.bytes, .time = segment.last};
    if (segment.encrypted()) {
      const auto index = there_.find(names::segment_index(segment.object));
      if (index != there_.end() && is_lacking(index->first, index->second)) {
        job.index_bytes = index->second;
      }
    }
    job.index_only = !is_lacking(segment.object, segment.bytes);
    if (job.index_only && !job.index_bytes) {
      return;
    }
    const bool covered = coverage.holds(segment);
    if (replaced_by_.contains(segment.object)) {
      replaced_.push_back(std::move(job));
      return;
    }
    account_.lacks(segment.object, segment.bytes,
                   covered ? std::nullopt : std::optional(first_arrival(segments, at)));
    (covered ? merged_ : urgent_).push_back(std::move(job));
  }

  /// Events, and what later versions may put beside them.
  void plan_others() {
    for (const auto& [name, bytes] : there_) {
      const std::string shard = shard_of(options_.source, name);
      if (names::parse_segment(options_.source, shard, name) || names::segment_of_index(name) ||
          !is_lacking(name, bytes)) {
        continue;
      }
      const auto time = time_of_log_object(options_.source, name);
      account_.lacks(name, bytes, time);
      urgent_.push_back({.name = name, .bytes = bytes, .time = time.value_or(Timestamp())});
    }
  }

  /// Another object in its place is a problem, and no reason to write.
  bool is_lacking(const std::string& name, std::uint64_t bytes) {
    const auto found = has_.find(name);
    if (found != has_.end() && found->second != bytes) {
      account_.add_problem({Side::repository, ErrorKind::corrupt,
                            fmt::format("{} has {} bytes in {} instead of {}; remove it there",
                                        name, found->second, sides_.to.url(), bytes)});
    }
    return found == has_.end();
  }

  void copy(const std::vector<Job>& jobs) {
    flow::parallel_for(
        {.name = "copy", .threads = options_.connections}, jobs.size(),
        [&](std::uint64_t number, const std::stop_token& stop) { copy(jobs[number], stop); },
        stop_);
  }

  void copy(const Job& job, const std::stop_token& stop) {
    if (job.index_bytes) {
      copy_index(job, stop);
    }
    if (job.index_only) {
      return;
    }
    // Uploads take memory.
    const auto turn = job.bytes > sides_.at_once ? large_.borrow(stop) : flow::Pool<Turn>::Lease();
    try {
      account_.take(sides_, wanted_of(job, stop), stop);
    } catch (Error& error) {
      if (!is_damage(error)) {
        throw;
      }
      error.add_context("copy " + job.name);
      account_.add_problem(error);
    }
  }

  void copy_index(const Job& job, const std::stop_token& stop) {
    const std::string name = names::segment_index(job.name);
    account_.take(sides_,
                  {.name = name,
                   .bytes = *job.index_bytes,
                   .check = [&](ByteView content) { check_plain_index(name, content); }},
                  stop);
  }

  Wanted wanted_of(const Job& job, const std::stop_token& stop) const {
    const std::string shard = shard_of(options_.source, job.name);
    Wanted wanted{.name = job.name, .bytes = job.bytes};
    if (names::parse_segment(options_.source, shard, job.name)) {
      if (job.bytes > sides_.at_once) {
        wanted.stretches = segment_stretches(sides_.from, job.name, job.bytes, stop);
      } else {
        wanted.check = [name = job.name](ByteView content) { check_segment(name, content); };
      }
    } else if (names::parse_event(options_.source, shard, job.name)) {
      wanted.check = [this, name = job.name](ByteView content) { check_event(name, content); };
    }
    return wanted;
  }

  void check_event(const std::string& name, ByteView content) const {
    const catalog::Event event = catalog::decode_event(content);
    const std::string shard = shard_of(options_.source, name);
    if (names::event(options_.source, shard, event.lineage, event.id) != name) {
      throw Error(Side::repository, ErrorKind::corrupt, "the event does not fit its name");
    }
  }

  /// Segments whose replacement could not be copied.
  void copy_not_replaced() {
    if (replaced_.empty()) {
      return;
    }
    has_ = list_log_objects(sides_.to, options_.source, stop_);
    std::erase_if(replaced_, [&](const Job& job) { return has_replacement(job.name); });
    for (const Job& job : replaced_) {
      account_.lacks(job.name, job.bytes, job.time);
    }
    copy(replaced_);
  }

  bool has_replacement(const std::string& name) const {
    for (auto by = replaced_by_.find(name); by != replaced_by_.end();
         by = replaced_by_.find(by->second)) {
      if (has_.contains(by->second)) {
        return true;
      }
    }
    return false;
  }

  const Sides& sides_;
  const CopyOptions& options_;
  const std::stop_token stop_;
  Account account_;
  flow::Pool<Turn> large_;

  Objects there_;
  Objects has_;
  std::map<std::string, std::string> replaced_by_;
  std::vector<Job> urgent_;    ///< They bring bytes that the target does not have.
  std::vector<Job> merged_;    ///< They put together what it has.
  std::vector<Job> replaced_;  ///< They lie in others.
};

}  // namespace

CopyReport copy_log(const Sides& sides, const CopyOptions& options, const CopyObserver& observer,
                    Progress& progress, std::stop_token stop) {
  return LogCopy(sides, options, observer, progress, std::move(stop)).copy_all();
}

CopyReport copy_log_objects(const Sides& sides, const CopyOptions& options,
                            std::span<const std::string> names, const CopyObserver& observer,
                            Progress& progress, std::stop_token stop) {
  return LogCopy(sides, options, observer, progress, std::move(stop)).copy_these(names);
}

std::optional<Timestamp> time_of_log_object(const std::string& source, const std::string& name) {
  if (!is_of_log(source, name)) {
    return std::nullopt;
  }
  const std::string shard = shard_of(source, name);
  if (const auto segment = names::parse_segment(source, shard, name)) {
    return segment->last;
  }
  if (const auto event = names::parse_event(source, shard, name)) {
    return time_of_id(event->id);
  }
  return std::nullopt;
}

}  // namespace keyrewind::copies
