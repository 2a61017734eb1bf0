#pragma once

#include "backup/log_merge.h"
#include "backup/segment_writer.h"
#include "backup/spool.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/progress.h"
#include "catalog/catalog.h"
#include "catalog/commits.h"
#include "catalog/log.h"
#include "catalog/names.h"
#include "catalog/segment_data.h"
#include "codec/sha256.h"
#include "copies/copy_missing.h"
#include "copies/copy_pass.h"
#include "store/memory_store.h"
#include "store/object_store.h"
#include "support/manual_clock.h"
#include "support/temp_dir.h"
#include "unit/backup/log_sample.h"
#include "unit/catalog/sample.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <vector>

/// Repositories for the tests of copying, made without a server.
namespace keyrewind::copies {

inline std::set<std::string> names_in(const store::ObjectStore& store) {
  const auto names = test::names_in(store);
  return {names.begin(), names.end()};
}

/// What a copy has to have: all but the marker, which is its own, and leases.
inline std::set<std::string> data_in(const store::ObjectStore& store) {
  auto names = names_in(store);
  std::erase_if(names, [](const std::string& name) {
    return name == catalog::names::repository() || name.find("/leases/") != std::string::npos;
  });
  return names;
}

/// The one object whose name has `part`.
inline std::string name_with(const store::ObjectStore& store, std::string_view part) {
  std::string found;
  for (const std::string& name : names_in(store)) {
    if (name.find(part) != std::string::npos) {
      EXPECT_EQ(found, "") << "there is " << name << ", too";
      found = name;
    }
  }
  EXPECT_NE(found, "") << "nothing with " << part;
  return found;
}

/// The same random bytes each time.
inline std::string incompressible(std::size_t bytes) {
  std::mt19937 random(1);
  std::string text(bytes, ' ');
  std::ranges::generate(text, [&] { return static_cast<char>(random()); });
  return text;
}

/// JSON that nothing vouches for shows no damage but to its form.
inline void flip_bit(store::ObjectStore& store, const std::string& name) {
  Bytes content = *store.get(name, ~0ULL, {});
  content.at(name.ends_with(".json") ? 0 : content.size() / 3) ^= std::byte{1};
  store.remove(name, {});
  store.put_if_absent(name, content, {});
}

/// A repository in which runs and an agent write, one after the other.
class Primary {
 public:
  /// `store` must outlive the primary.
  explicit Primary(store::ObjectStore& store) : store_(store) {}

  catalog::Commit add_backup(std::string_view snapshot = test::kSampleSnapshot) {
    clock_.advance(std::chrono::minutes(1));
    catalog::Writer writer(catalog_, clock_, {});
    catalog::Manifest manifest =
        test::sample_manifest("orders", writer.new_id(), clock_.now(), store_.encrypts());
    catalog::Snapshot& stored = manifest.snapshots.front();
    stored.index_bytes = snapshot.size() - stored.index_offset;
    catalog::StoredObject& object = stored.object;
    const auto upload = store_.upload(object.name, {});
    upload->append(as_bytes(snapshot));
    const store::StoredBytes whole = upload->complete();
    object.bytes = whole.bytes;
    object.sha256 = to_hex(whole.sha256);
    return writer.commit(manifest, {});
  }

  /// Returns the name of the segment, which holds one SET with `bytes` of value.
  std::string add_segment(std::size_t bytes = 10) {
    clock_.advance(std::chrono::seconds(10));
    const std::string value = bytes < 1000 ? std::string(bytes, 'v') : incompressible(bytes);
    const std::vector<backup::Piece> pieces{{backup::command({"SET", "a", value}), clock_.now()}};
    const End before{position_, chain_};
    spool_.begin(backup::kLineage, position_, 0);
    backup::fill_and_seal(spool_, position_, pieces);
    const backup::StoredSegment stored =
        backup::store_segment(store_, *spool_.next({}), chain_, generation_, 1, {});
    ends_.push_back(before);
    chain_ = catalog::chain_end(stored.segment);
    spool_.remove_first();
    return stored.object;
  }

  /// Another agent goes on where the last `segments` began, which it does not see.
  void take_over(std::uint64_t generation, std::size_t segments = 0) {
    generation_ = generation;
    for (; segments != 0; --segments) {
      position_ = ends_.back().position;
      chain_ = ends_.back().chain;
      ends_.pop_back();
    }
  }

  void add_event() {
    clock_.advance(std::chrono::seconds(1));
    const catalog::Event event{.id = to_compact(clock_.now()) + "-7d3e90",
                               .kind = "gap",
                               .lineage = backup::kLineage,
                               .offset = position_.offset,
                               .at = clock_.now(),
                               .detail = "it was lost"};
    store_.put_if_absent(catalog::names::event("orders", "0", event.lineage, event.id),
                         as_bytes(catalog::encode(event)), {});
  }

  void add_lease() {
    store_.swap_record(catalog::names::lease("orders", "0"), as_bytes("{}"), std::nullopt, {});
  }

  std::size_t merge() {
    return backup::merge_log(store_, {.source = "orders", .shard = "0", .count = 4}, {});
  }

  store::ObjectStore& store() noexcept { return store_; }
  catalog::Catalog& catalog() noexcept { return catalog_; }
  Timestamp now() const { return clock_.now(); }

 private:
  /// Where the log ended before a segment.
  struct End {
    replica::Position position;
    catalog::Digest chain;
  };

  store::ObjectStore& store_;
  catalog::Catalog catalog_{store_, "orders"};
  test::ManualClock clock_{test::sample_time()};
  const test::TempDir folder_;
  backup::Spool spool_{{.dir = folder_.path()}, "orders", "0"};
  replica::Position position_ = backup::kStart;
  catalog::Digest chain_ = catalog::chain_start(backup::kLineage, backup::kStart.offset);
  std::uint64_t generation_ = 0;
  std::vector<End> ends_;
};

/// Two backups, a log of five segments, an event and a lease.
inline void fill(Primary& primary) {
  primary.add_backup();
  primary.add_lease();
  for (int i = 0; i < 5; ++i) {
    primary.add_segment();
  }
  primary.add_event();
  primary.add_backup("another snapshot");
}

/// What is more goes in pieces.
inline constexpr std::uint64_t kAtOnce = 64U << 10U;

inline CopyReport copy(store::ObjectStore& from, store::ObjectStore& to, bool tidy = true) {
  const test::ManualClock clock(test::sample_time());
  Progress progress;
  return copy_missing({from.stored(), to.stored(), kAtOnce}, {.source = "orders", .tidy = tidy},
                      clock, progress, {});
}

inline std::vector<std::string> problems_of(const CopyReport& report) {
  std::vector<std::string> problems;
  for (const Error& problem : report.problems) {
    problems.emplace_back(problem.what());
  }
  return problems;
}

/// Fails unless every backup that is listed is there and sound, and every segment, too.
inline void expect_sound(store::ObjectStore& store) {
  const catalog::Catalog catalog(store, "orders");
  for (const catalog::CommitEntry& entry : catalog::list_commits(store, "orders", {})) {
    const auto commit = catalog::read_commit(store, "orders", entry, {});
    const catalog::Manifest manifest = catalog.manifest(*commit, {});
    if (manifest.details) {
      const auto content = store.stored().get(manifest.details->name, ~0ULL, {});
      ASSERT_TRUE(content) << manifest.details->name;
      EXPECT_EQ(codec::sha256_hex(*content), manifest.details->sha256) << manifest.details->name;
    }
    for (const catalog::Snapshot& snapshot : manifest.snapshots) {
      const auto content = store.stored().get(snapshot.object.name, ~0ULL, {});
      ASSERT_TRUE(content) << snapshot.object.name;
      EXPECT_EQ(codec::sha256_hex(*content), snapshot.object.sha256) << snapshot.object.name;
    }
  }
  for (const auto& [lineage, segments] : catalog::list_logs(store, "orders", "0", {})) {
    for (const catalog::SegmentEntry& entry : segments) {
      const auto segment = catalog::read_segment(store, entry, {});
      ASSERT_TRUE(segment) << entry.object;
      if (store.can_read(entry.object)) {
        catalog::read_segment_data(store, entry.object, *segment, segment->begin,
                                   [](ByteView, std::int64_t) {}, {});
      }
    }
  }
  std::vector<std::string> problems;
  catalog::list_events(store, "orders", "0", problems, {});
  EXPECT_THAT(problems, testing::IsEmpty());
}

}  // namespace keyrewind::copies
