#include "daemon/snapshot_taker.h"

#include "base/log.h"
#include "catalog/log.h"
#include "store/memory_store.h"
#include "support/faulty_store.h"
#include "support/manual_clock.h"
#include "support/redis_server.h"
#include "support/temp_dir.h"
#include "unit/catalog/sample.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <thread>

namespace keyrewind::daemon {
namespace {

const std::string kLineage(test::kSampleLineage);

class SnapshotTakerTest : public testing::Test {
 protected:
  SnapshotTakerTest() { log::configure(log::Level::error, log::Format::text); }

  void SetUp() override { test::require_server("redis-server-7.0"); }

  static backup::BackupOptions from(const std::filesystem::path& socket) {
    backup::BackupOptions options;
    options.source.address.transport = replica::Address::Transport::unix;
    options.source.address.path = socket;
    return options;
  }

  SnapshotTaker::Outcome wait_for_outcome() {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (std::chrono::steady_clock::now() < deadline) {
      if (auto outcome = taker_.take_outcome()) {
        return *outcome;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    ADD_FAILURE() << "no outcome";
    return {};
  }

  test::ManualClock clock_{test::sample_time()};
  store::MemoryStore memory_;
  test::FaultyStore store_{memory_};
  catalog::Catalog catalog_{store_, "orders"};
  backup::DurablePoint durable_;
  metrics::AgentMetrics metrics_{"orders"};
  SnapshotTaker taker_{catalog_, "0", durable_, metrics_, clock_};
};

TEST_F(SnapshotTakerTest, HasNothingToTellAtFirst) {
  EXPECT_FALSE(taker_.running());
  EXPECT_FALSE(taker_.take_outcome());
  EXPECT_EQ(taker_.last_full_sync(), std::nullopt);
  taker_.stop();
}

TEST_F(SnapshotTakerTest, BeginsALineageByTheServersId) {
  test::RedisServer server;
  server.cli({"SET", "a", "1"});

  taker_.start(from(server.socket_path()), {});
  const Place place = taker_.wait_for_place({});
  const SnapshotTaker::Outcome outcome = wait_for_outcome();

  EXPECT_EQ(place.lineage, server.info("master_replid"));
  EXPECT_EQ(place.position.replid, place.lineage);
  EXPECT_TRUE(place.fresh);
  EXPECT_EQ(outcome.error, std::nullopt);
  EXPECT_EQ(outcome.lineage, place.lineage);
  EXPECT_EQ(outcome.backup, catalog_.find("latest", {}).id);
  EXPECT_TRUE(has_snapshot(catalog_, "0", place.lineage, {}));
  durable_.move(place.lineage, 7);
  EXPECT_EQ(durable_.offset_of(place.lineage), 7) << "it has a base now";
  EXPECT_TRUE(taker_.last_full_sync());
  EXPECT_FALSE(taker_.running());
  EXPECT_FALSE(taker_.take_outcome()) << "it is told once";
}

TEST_F(SnapshotTakerTest, ALineageHasANameThatIsFree) {
  test::RedisServer server;
  // A server without replicas takes a new id for the first one.
  taker_.start(from(server.socket_path()), {});
  const std::string replid = wait_for_outcome().lineage;
  taker_.start(from(server.socket_path()),
               {.lineage = std::nullopt, .taken = {replid}, .replid = {}});

  const Place place = taker_.wait_for_place({});

  EXPECT_NE(place.lineage, replid);
  EXPECT_EQ(place.position.replid, replid);
  EXPECT_EQ(wait_for_outcome().lineage, place.lineage);
}

TEST_F(SnapshotTakerTest, IsNoPartOfALineageWithAnotherHistory) {
  test::RedisServer server;
  taker_.start(from(server.socket_path()),
               {.lineage = kLineage, .taken = {}, .replid = std::string(40, 'f')});

  const std::string lineage = wait_for_outcome().lineage;

  EXPECT_NE(lineage, kLineage);
  EXPECT_EQ(lineage, taker_.wait_for_place({}).position.replid);
  EXPECT_FALSE(has_snapshot(catalog_, "0", kLineage, {}));
}

TEST_F(SnapshotTakerTest, BelongsToTheLineageThatIsWanted) {
  test::RedisServer server;
  taker_.start(from(server.socket_path()), {});
  const std::string replid = wait_for_outcome().lineage;
  taker_.start(from(server.socket_path()), {.lineage = kLineage, .taken = {}, .replid = replid});

  EXPECT_EQ(taker_.wait_for_place({}).lineage, kLineage);
  EXPECT_FALSE(taker_.wait_for_place({}).fresh);

  EXPECT_EQ(wait_for_outcome().error, std::nullopt);
  EXPECT_TRUE(has_snapshot(catalog_, "0", kLineage, {}));
}

TEST_F(SnapshotTakerTest, AServerThatCannotBeReachedIsAnOutcome) {
  const test::TempDir folder;
  taker_.start(from(folder / "none"), {});

  const Error error = test::failure_of([&] { taker_.wait_for_place({}); });
  const SnapshotTaker::Outcome outcome = wait_for_outcome();

  EXPECT_EQ(error.side(), Side::source);
  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->kind(), ErrorKind::unavailable);
  EXPECT_EQ(outcome.backup, "");
  EXPECT_FALSE(taker_.running());
  EXPECT_EQ(taker_.last_full_sync(), std::nullopt) << "no server was asked for one";
}

TEST_F(SnapshotTakerTest, IsTriedAgainAfterAFailureAtAnyCall) {
  test::RedisServer server;
  int failures = 0;
  for (std::uint64_t call = 1;; ++call) {
    store_.set({.mode = test::Fault::Mode::fail_before, .call = call});
    taker_.start(from(server.socket_path()), {});
    const SnapshotTaker::Outcome outcome = wait_for_outcome();
    if (!outcome.error) {
      break;
    }
    ++failures;
    EXPECT_EQ(outcome.error->side(), Side::repository);
    EXPECT_THAT(catalog::Catalog(memory_, "orders").list({}), testing::IsEmpty());
  }
  EXPECT_GT(failures, 5);
  EXPECT_THAT(catalog_.list({}), testing::SizeIs(1));
}

TEST_F(SnapshotTakerTest, StopEndsItWithoutATrace) {
  test::RedisServer server;
  taker_.start(from(server.socket_path()), {});

  taker_.stop();

  EXPECT_FALSE(taker_.running());
  const auto outcome = taker_.take_outcome();
  ASSERT_TRUE(outcome);
  if (outcome->error) {
    EXPECT_EQ(outcome->error->kind(), ErrorKind::cancelled);
    EXPECT_THAT(catalog::Catalog(memory_, "orders").list({}), testing::IsEmpty());
  }
}

TEST_F(SnapshotTakerTest, StopEndsTheWaitForAPlace) {
  test::RedisServer server({.args = {"--repl-diskless-sync-delay", "600"}});
  taker_.start(from(server.socket_path()), {});
  std::jthread waiting([&](const std::stop_token& stop) {
    EXPECT_EQ(test::failure_of([&] { taker_.wait_for_place(stop); }).kind(), ErrorKind::cancelled);
  });
  waiting.request_stop();
  waiting.join();
  taker_.stop();
}

}  // namespace
}  // namespace keyrewind::daemon
