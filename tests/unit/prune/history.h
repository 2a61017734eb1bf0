#pragma once

#include "catalog/timeline.h"
#include "sample.h"
#include "store/memory_store.h"

#include <fmt/format.h>

#include <chrono>
#include <cstdint>
#include <random>
#include <string>

/// Random lives of sources.
namespace keyrewind::test {

/// A random life of a source.
class History {
 public:
  explicit History(std::uint64_t seed) : random_(seed) {
    catalog::ensure_repository(store_, clock_, {});
    const int lineages = pick(1, 4);
    for (int i = 0; i < lineages; ++i) {
      live(std::string(40, static_cast<char>('a' + i)));
      clock_.advance(std::chrono::minutes(pick(0, 5000)));
    }
  }

  catalog::Catalog& catalog() { return catalog_; }
  const ManualClock& clock() const { return clock_; }
  store::MemoryStore& store() { return store_; }

 protected:
  int pick(int least, int most) { return std::uniform_int_distribution<int>(least, most)(random_); }

  ManualClock clock_{prune_time()};

 private:
  /// One lineage: segments that are lost, jumps of the clock, backups of every kind.
  void live(const std::string& lineage) {
    LineageWriter log(store_, lineage, pick(0, 100000), static_cast<std::uint64_t>(pick(0, 2)));
    store::MemoryStore lost;
    const int segments = pick(0, 40);
    const bool begins_with_snapshot = pick(0, 9) != 0;
    if (begins_with_snapshot) {
      take_backup(catalog_, clock_, lineage, log.end());
    }
    for (int i = 0; i < segments; ++i) {
      const int jump = pick(0, 60);
      clock_.advance(jump == 0   ? std::chrono::days(1)
                     : jump == 1 ? -std::chrono::days(1)
                                 : std::chrono::minutes(pick(0, 400)));
      log.write(pick(1, 500), clock_.now() - std::chrono::milliseconds(pick(0, 90000)));
      if (pick(0, 25) == 0) {
        forget_last(lineage, log.end());
      }
      if (pick(0, 4) == 0) {
        take_backup(catalog_, clock_, lineage, log.end() + (pick(0, 5) == 0 ? 7 : 0),
                    {{"kind", pick(0, 1) == 0 ? "a" : "b"}});
      }
    }
  }

  /// A segment that is missing.
  void forget_last(const std::string& lineage, std::int64_t end) {
    const std::string folder = "sources/orders/shards/0/lineages/" + lineage + "/log/";
    for (const std::string& name : names_in(store_, folder)) {
      if (name.find(fmt::format("-{:020}-", end)) != std::string::npos) {
        store_.remove(name, {});
      }
    }
  }

  std::mt19937_64 random_;
  store::MemoryStore store_;
  catalog::Catalog catalog_{store_, "orders"};
};

}  // namespace keyrewind::test
