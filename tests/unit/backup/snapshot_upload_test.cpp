#include "backup/snapshot_upload.h"

#include "base/error.h"
#include "store/memory_store.h"
#include "support/paths.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <iterator>
#include <string>

namespace keyrewind::backup {
namespace {

std::string sample() {
  std::ifstream file(test::source_dir() / "tests/data/rdb/valkey-9.1-small.rdb", std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Stores `rdb`, which comes in reads of at most `read_bytes`.
StoredSnapshot store_sample(store::ObjectStore& store, const std::string& rdb,
                            const PipelineOptions& options, std::size_t read_bytes,
                            std::stop_token stop = {}) {
  std::size_t at = 0;
  const ReadSome read = [&](std::span<std::byte> into) {
    const std::size_t got = std::min({into.size(), read_bytes, rdb.size() - at});
    std::ranges::copy(as_bytes(rdb).subspan(at, got), into.begin());
    at += got;
    return got;
  };
  Progress progress;
  return store_snapshot(read, store, "a.rdb.zst", options, progress, std::move(stop));
}

TEST(StoreSnapshot, StoresWhatIsRead) {
  store::MemoryStore store;
  const std::string rdb = sample();

  const StoredSnapshot stored = store_sample(store, rdb, {}, 1000);

  EXPECT_EQ(stored.rdb.bytes, rdb.size());
  EXPECT_EQ(stored.rdb.checksum, rdb::Checksum::valid);
  EXPECT_EQ(store.head("a.rdb.zst", {})->bytes, stored.object.bytes);
}

TEST(StoreSnapshot, ReadsNoFasterThanItMay) {
  store::MemoryStore store;
  const std::string rdb = sample();
  const std::uint64_t rate = rdb.size();

  const auto began = std::chrono::steady_clock::now();
  store_sample(store, rdb, {.receive_rate = 2 * rate}, std::max<std::size_t>(rdb.size() / 20, 1));

  // Half a second, less the three tenths that a limit lets through at once, and the last read.
  EXPECT_GE(std::chrono::steady_clock::now() - began, std::chrono::milliseconds(150));
}

TEST(StoreSnapshot, StoresNothingThatIsCutShort) {
  store::MemoryStore store;
  std::string rdb = sample();
  rdb.resize(rdb.size() - 1);

  EXPECT_THROW(store_sample(store, rdb, {}, 1000), Error);
  EXPECT_FALSE(store.head("a.rdb.zst", {}).has_value());
}

}  // namespace
}  // namespace keyrewind::backup
