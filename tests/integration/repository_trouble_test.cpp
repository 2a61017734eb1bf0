// Whatever the repository does, the server feels nothing of it, and nothing of the log is lost as
// long as somebody has it.

#include "base/clock.h"
#include "daemon/agent.h"
#include "metrics/agent_metrics.h"
#include "replica/address.h"
#include "storage/open.h"
#include "support/agent_run.h"
#include "support/faulty_store.h"
#include "support/marks.h"
#include "support/redis_server.h"
#include "support/test_repository.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>

namespace keyrewind::test {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

const std::string kServer = "valkey-server-8.1";
constexpr std::chrono::milliseconds kLeaseTime{2000};

/// The test's repository, opened in this process.
std::unique_ptr<store::ObjectStore> open_store(const TestRepository& repository,
                                               const Clock& clock) {
  storage::StorageOptions options{.url = repository.url()};
  if (repository.bucket()) {
    const S3Client& client = repository.bucket()->client();
    options.s3.endpoint = client.endpoint();
    options.s3.path_style = true;
    options.s3.credentials = {.access_key_id = client.keys().access_key,
                              .secret_access_key = Secret(client.keys().secret_key)};
    options.s3.lock_ttl = kLeaseTime;
  }
  if (repository_kind() == RepositoryKind::s3_age) {
    options.identities = codec::parse_age_identities(read_text(repository.identity_file()));
    options.recipients = {options.identities.front().recipient()};
  }
  return storage::open(options, clock);
}

/// An agent in this process, so that its store can be disturbed; what it stored is restored by the
/// program, from the same repository.
class AgentHere {
 public:
  AgentHere(RedisServer& source, std::uint64_t spool_bytes,
            std::chrono::milliseconds segment_age = std::chrono::milliseconds(100))
      : run_(source.url()),
        repository_(open_store(run_.user().store(), clock_)),
        store_(*repository_),
        metrics_("orders") {
    daemon::AgentOptions options;
    options.source = "orders";
    options.shard.source.address = replica::parse_address(source.url());
    options.shard.read_from = replica::ReadFrom::this_node;
    options.spool = {.dir = run_.spool(), .max_bytes = spool_bytes};
    options.segment_max_age = segment_age;
    options.segment_max_bytes = 64U << 10U;
    options.full_sync_min_interval = std::chrono::milliseconds(0);
    options.watch_interval = std::chrono::milliseconds(200);
    options.merge_interval = std::chrono::milliseconds(300);
    options.lease.ttl = kLeaseTime;
    agent_.emplace(
        store_, options,
        daemon::AgentLinks{.desk = desk_, .tasks = tasks_, .guard = guard_, .seen = seen_},
        metrics_, clock_);
    thread_ = std::jthread([this](const std::stop_token& stop) {
      try {
        agent_->run(stop);
      } catch (const std::exception& error) {
        end_ = error.what();
      }
    });
  }

  AgentHere(const AgentHere&) = delete;
  AgentHere& operator=(const AgentHere&) = delete;

  /// Whatever a failed test left hanging goes on before the threads are waited for.
  ~AgentHere() { store_.set({}); }

  FaultyStore& store() noexcept { return store_; }
  const AgentRun& run() const noexcept { return run_; }
  std::string metrics() const { return metrics_.to_prometheus_text(); }

  /// Stops it in order; gives what it failed with, or nothing.
  std::string stop() {
    thread_.request_stop();
    thread_.join();
    return end_;
  }

  bool is_attached() const {
    return metrics().find("keyrewind_replication_link_up{source=\"orders\"} 1") !=
           std::string::npos;
  }

 private:
  SystemClock clock_;
  AgentRun run_;
  std::unique_ptr<store::ObjectStore> repository_;
  FaultyStore store_;
  metrics::AgentMetrics metrics_;
  daemon::Observations seen_;
  daemon::Tasks tasks_{clock_};
  daemon::BackupDesk desk_;
  daemon::ForkGuard guard_{seen_, metrics_, clock_};
  std::optional<daemon::Agent> agent_;
  std::string end_;
  std::jthread thread_;
};

/// What the server's output buffers hold for its replicas, in bytes; nothing if there is none.
std::optional<std::int64_t> buffered_for_replicas(RedisServer& server) {
  const std::string clients = server.cli({"CLIENT", "LIST", "TYPE", "REPLICA"});
  const auto found = clients.find(" omem=");
  return found == std::string::npos
             ? std::nullopt
             : std::optional<std::int64_t>(std::stoll(clients.substr(found + 6)));
}

void write_megabytes(RedisServer& server, int megabytes) {
  for (int i = 0; i < megabytes * 16; ++i) {
    server.cli({"SET", "key:" + std::to_string(i),
                std::string(64U << 10U, static_cast<char>('a' + i % 26))});
  }
}

class RepositoryTrouble : public testing::Test {
 protected:
  void SetUp() override {
    require_server(kServer);
    require_repository();
  }

  static void expect_restorable(const AgentRun& run, const Mark& mark) {
    RedisServer restored = run.restored("offset:" + std::to_string(mark.offset), kServer);
    EXPECT_THAT(differences(mark, restored), IsEmpty());
  }
};

TEST_F(RepositoryTrouble, CostsTheServerNothingWhenItHangs) {
  RedisServer source(quick_server(kServer));
  AgentHere agent(source, 1U << 30U);
  wait_until("a window", [&] { return agent.run().durable() >= 0; });
  agent.store().set({.mode = Fault::Mode::hang});
  constexpr int kMegabytes = 50;
  write_megabytes(source, kMegabytes);
  const Mark mark = take_mark(source);
  wait_until("everything in the spool", [&] { return acknowledged(source) >= mark.offset; });
  const auto buffered = buffered_for_replicas(source);
  ASSERT_TRUE(buffered);
  EXPECT_LT(*buffered, 1 << 20);
  EXPECT_LT(agent.run().durable(), mark.offset);

  agent.store().set({});
  agent.run().wait_for(mark.offset);
  EXPECT_EQ(agent.stop(), "");
  expect_restorable(agent.run(), mark);
}

TEST_F(RepositoryTrouble, LeavesTheServerAloneWhenTheSpoolIsFullAndComesBackWithoutAFullSync) {
  RedisServer source(quick_server(kServer, {"--repl-backlog-size", "256mb"}));
  AgentHere agent(source, 4U << 20U);
  wait_until("a window", [&] { return agent.run().durable() >= 0; });
  const std::string syncs = source.info("sync_full");
  agent.store().set({.mode = Fault::Mode::hang});
  write_megabytes(source, 8);
  wait_until("the agent has let go", [&] { return !agent.is_attached(); });
  EXPECT_EQ(buffered_for_replicas(source), std::nullopt);
  EXPECT_THAT(agent.metrics(), HasSubstr("reason=\"spool_full\",source=\"orders\"} 1"));
  const Mark mark = take_mark(source);

  agent.store().set({});
  agent.run().wait_for(mark.offset);
  EXPECT_EQ(source.info("sync_full"), syncs);
  EXPECT_EQ(agent.stop(), "");
  const auto timeline = agent.run().timeline();
  EXPECT_EQ(timeline["windows"].size(), 1U) << timeline.dump(2);
  EXPECT_THAT(timeline["events"].dump(), HasSubstr("\"detached\""));
  expect_restorable(agent.run(), mark);
}

TEST_F(RepositoryTrouble, RecordsAGapWhenTheServerHasForgottenMeanwhile) {
  RedisServer source(quick_server(kServer, {"--repl-backlog-size", "64kb"}));
  AgentHere agent(source, 4U << 20U);
  wait_until("a window", [&] { return agent.run().durable() >= 0; });
  source.cli({"SET", "first", "1"});
  const Mark before = take_mark(source);
  agent.run().wait_for(before.offset);
  agent.store().set({.mode = Fault::Mode::hang});
  write_megabytes(source, 8);
  wait_until("the agent has let go", [&] { return !agent.is_attached(); });
  write_megabytes(source, 1);

  agent.store().set({});
  wait_until("a second window", [&] { return agent.run().timeline()["windows"].size() == 2; });
  source.cli({"SET", "last", "1"});
  const Mark after = take_mark(source);
  agent.run().wait_for(after.offset);
  EXPECT_EQ(agent.stop(), "");
  const auto timeline = agent.run().timeline();
  EXPECT_EQ(timeline["gaps"].size(), 1U) << timeline.dump(2);
  EXPECT_THAT(agent.metrics(), HasSubstr("keyrewind_log_gaps_total{source=\"orders\"} 1"));
  expect_restorable(agent.run(), before);
  expect_restorable(agent.run(), after);
}

TEST_F(RepositoryTrouble, IsNotHadByMergingWhileMomentsAreRestored) {
  RedisServer source(quick_server(kServer));
  AgentHere agent(source, 1U << 30U, std::chrono::milliseconds(20));
  wait_until("a window", [&] { return agent.run().durable() >= 0; });
  const auto merges = [&] {
    const std::string text = agent.metrics();
    const std::string name = "\nkeyrewind_log_merges_total{source=\"orders\"} ";
    return std::stoi(text.substr(text.find(name) + name.size()));
  };
  std::vector<Mark> marks;
  for (int i = 0; merges() < 2; ++i) {
    source.cli({"SET", "key:" + std::to_string(i % 100), std::to_string(i)});
    source.cli({"INCR", "n"});
    if (i % 100 == 0) {
      marks.push_back(take_mark(source));
      agent.run().wait_for(marks.back().offset);
      expect_restorable(agent.run(), marks[marks.size() / 2]);
    }
  }
  agent.run().wait_for(marks.back().offset);
  EXPECT_EQ(agent.stop(), "");
  EXPECT_EQ(agent.run().timeline()["windows"].size(), 1U);
  EXPECT_LT(agent.run().timeline()["windows"][0]["segments"].get<int>(), 40);
  for (const Mark& mark : marks) {
    expect_restorable(agent.run(), mark);
  }
}

class RepositoryFailsEvery : public testing::TestWithParam<int> {};

INSTANTIATE_TEST_SUITE_P(Call, RepositoryFailsEvery, testing::Values(7, 11, 16),
                         testing::PrintToStringParamName());

TEST_P(RepositoryFailsEvery, AndNothingIsLost) {
  require_server(kServer);
  require_repository();
  if (IsSkipped() || HasFatalFailure()) {
    return;
  }
  RedisServer source(quick_server(kServer));
  AgentHere agent(source, 1U << 30U);
  wait_until("a window", [&] { return agent.run().durable() >= 0; });
  const auto mode = GetParam() % 2 == 0 ? Fault::Mode::fail_before : Fault::Mode::fail_after;
  agent.store().set({.mode = mode, .every = static_cast<std::uint64_t>(GetParam())});
  std::vector<Mark> marks;
  for (int round = 0; round < 3; ++round) {
    write_megabytes(source, 1);
    marks.push_back(take_mark(source));
  }
  agent.run().wait_for(marks.back().offset);
  agent.store().set({});
  EXPECT_EQ(agent.stop(), "");
  EXPECT_EQ(agent.run().timeline()["windows"].size(), 1U);
  for (const Mark& mark : marks) {
    RedisServer restored = agent.run().restored("offset:" + std::to_string(mark.offset), kServer);
    EXPECT_THAT(differences(mark, restored), IsEmpty());
  }
}

}  // namespace
}  // namespace keyrewind::test
