// Whatever an S3 store does, or does not do: nothing is half there, nothing is left behind, the
// agent goes on by itself, and what is listed can be restored.

#include "base/clock.h"
#include "support/agent_run.h"
#include "support/fault_proxy.h"
#include "support/marks.h"
#include "support/redis_server.h"
#include "support/s3_servers.h"
#include "support/test_repository.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace keyrewind::test {
namespace {

using namespace std::chrono_literals;
using testing::AnyOf;
using testing::Gt;
using testing::HasSubstr;
using testing::IsEmpty;

const std::string kServer = "valkey-server-8.1";

/// Sets keys that compression makes no smaller: two megabytes make more than two parts of five.
void write_noise(RedisServer& server, int megabytes, int round) {
  std::mt19937 random(static_cast<std::mt19937::result_type>(round));
  std::string value(256U << 10U, '\0');
  for (int i = 0; i < megabytes * 4; ++i) {
    std::ranges::generate(value, [&] { return static_cast<char>(random()); });
    server.cli({"SET", "noise:" + std::to_string(i), value});
  }
}

void write_some(RedisServer& server, int round) {
  for (int i = 0; i < 20; ++i) {
    server.cli({"SET", "key:" + std::to_string(i), "value of round " + std::to_string(round)});
    server.cli({"LPUSH", "list", std::to_string(round)});
    server.cli({"INCR", "n"});
  }
}

std::string deny(const S3Bucket& bucket, const std::string& action) {
  return R"({"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":")" +
         action + R"(","Resource":["arn:aws:s3:::)" + bucket.name() + R"(","arn:aws:s3:::)" +
         bucket.name() + R"(/*"]}]})";
}

/// An agent that reaches its repository on S3 through a proxy.
class S3Faults : public testing::Test {
 protected:
  void SetUp() override {
    require_server(kServer);
    require_rgw();
    if (IsSkipped() || HasFatalFailure()) {
      return;
    }
    source_.emplace(quick_server(kServer));
    agent_.emplace(source_->url(), AgentSetup{}, RepositoryKind::s3);
    go_through(S3Server::rgw().endpoint());
  }

  void TearDown() override {
    if (HasFailure() && agent_) {
      std::cerr << "The agent said:\n" << agent_->log() << "\nThe proxy saw:\n" << proxy().story();
    }
  }

  RedisServer& source() { return *source_; }
  AgentRun& agent() { return *agent_; }
  FaultProxy& proxy() { return *proxy_; }
  const Keyrewind& user() const { return agent_->user(); }
  const S3Bucket& bucket() const { return *user().store().bucket(); }

  /// Puts a proxy before the server at `endpoint`, with lines for the repository's configuration.
  void go_through(const std::string& endpoint, const std::string& more = "",
                  std::uint64_t seed = 1) {
    proxy_.emplace(endpoint, seed);
    agent().store().set_endpoint(proxy_->endpoint());
    agent().store().set_more(more);
    agent().configure(source().url(), {});
  }

  void start_and_attach() {
    agent().start();
    wait_until(
        "a window", [&] { return agent().durable() >= 0; }, 60s);
  }

  void wait_for_log(const std::string& text) {
    wait_until(
        text, [&] { return agent().log().find(text) != std::string::npos; }, 60s);
  }

  Mark write_and_mark(int round) {
    write_some(source(), round);
    return take_mark(source());
  }

  void expect_restored_to(const Mark& mark) {
    RedisServer restored = agent().restored("offset:" + std::to_string(mark.offset), kServer);
    EXPECT_THAT(differences(mark, restored), IsEmpty()) << "at offset " << mark.offset;
  }

  /// Once the store is well again: every backup that is listed is whole, every mark comes back, and
  /// nothing is left of what failed.
  void expect_all_well(const std::vector<Mark>& marks) {
    proxy().clear();
    wait_until(
        "the last mark", [&] { return agent().durable() >= marks.back().offset; }, 120s);
    EXPECT_EQ(agent().stop(), ExitResult{});

    EXPECT_THAT(bucket().uploads(), IsEmpty());
    const RunResult verified = user().run(
        {"verify", "--all", "--level", "load", "--server", find_server(kServer)->string()});
    EXPECT_EQ(verified.status, 0) << verified.out << verified.err;
    for (const Mark& mark : marks) {
      expect_restored_to(mark);
    }
  }

 private:
  std::optional<RedisServer> source_;
  std::optional<FaultProxy> proxy_;
  std::optional<AgentRun> agent_;
};

class S3FaultOfKind : public S3Faults, public testing::WithParamInterface<S3Fault> {};

/// A store that errs so at the very first requests is taken for one without conditional writes.
bool must_come_late(const S3Fault& fault) {
  return fault.kind == S3Fault::Kind::wrong_etag;
}

/// The name of a test.
std::string word_of(const S3Fault& fault) {
  std::string name = fault.name();
  std::ranges::replace_if(
      name, [](char c) { return !std::isalnum(static_cast<unsigned char>(c)); }, '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Kind, S3FaultOfKind, testing::ValuesIn(passing_faults()),
                         [](const auto& fault) { return word_of(fault.param); });

TEST_P(S3FaultOfKind, IsGotOver) {
  const bool slow = GetParam().name().starts_with("hang");
  proxy().inject(
      GetParam(),
      {.skip = must_come_late(GetParam()) ? 10U : 0U, .every = 3, .times = slow ? 2U : 8U});
  write_noise(source(), 20, 1);
  std::vector<Mark> marks{take_mark(source())};

  start_and_attach();
  if (agent().log().find("snapshot failed") != std::string::npos) {
    marks.clear();  // What can be restored begins with the one that was taken instead.
  }
  for (int round = 0; round < 4; ++round) {
    marks.push_back(write_and_mark(round));
    agent().wait_for(marks.back().offset);
  }
  // A snapshot on its way up meets whatever the log has left over.
  EXPECT_EQ(user().run({"backup"}).status, 0);

  EXPECT_THAT(proxy().faults(), Gt(0U));
  expect_all_well(marks);
  EXPECT_EQ(user().backups(), 2U);
}

class S3FaultsFromASeed : public S3Faults, public testing::WithParamInterface<int> {};

INSTANTIATE_TEST_SUITE_P(Seed, S3FaultsFromASeed, testing::Values(1, 2, 3),
                         testing::PrintToStringParamName());

TEST_P(S3FaultsFromASeed, AreGotOverTogether) {
  go_through(S3Server::rgw().endpoint(), "", static_cast<std::uint64_t>(GetParam()));
  // Those that the first requests of a run must not meet, see above, meet the parts of uploads
  // only.
  std::vector<S3Fault> faults;
  std::vector<S3Fault> late;
  for (const S3Fault& fault : passing_faults()) {
    if (must_come_late(fault)) {
      late.push_back(fault);
    } else if (!fault.name().starts_with("hang")) {
      faults.push_back(fault);
    }
  }
  proxy().inject_any(late, {.operation = "UploadPart", .probability = 0.1});
  proxy().inject({.kind = S3Fault::Kind::hang}, {.probability = 0.005});
  proxy().inject({.status = 403, .code = "ExpiredToken"}, {.probability = 0.005});
  proxy().inject({.status = 403, .code = "AccessDenied"}, {.probability = 0.005});
  proxy().inject({.status = 404, .code = "NoSuchBucket"}, {.probability = 0.005});
  proxy().inject_any(faults, {.probability = 0.1});
  write_noise(source(), 20, GetParam());

  start_and_attach();
  std::vector<Mark> marks;
  for (int round = 0; round < 6; ++round) {
    marks.push_back(write_and_mark(round));
    // It may fail, but not by half.
    const RunResult backup = user().run({"backup", "-o", "json"});
    EXPECT_THAT(backup.status, AnyOf(0, 5, 9)) << backup.err;
  }

  EXPECT_THAT(proxy().faults(), Gt(10U));
  expect_all_well(marks);
}

TEST_F(S3Faults, InAReadingAreGotOverToo) {
  start_and_attach();
  write_noise(source(), 20, 1);
  const Mark mark = take_mark(source());
  agent().wait_for(mark.offset);
  EXPECT_EQ(user().run({"backup"}).status, 0);
  EXPECT_EQ(agent().stop(), ExitResult{});
  auto faults = passing_faults();
  std::erase_if(faults, [](const S3Fault& fault) { return fault.name().starts_with("hang"); });
  proxy().inject_any(faults, {.probability = 0.3});

  expect_restored_to(mark);
  EXPECT_EQ(user().run({"verify", "--all"}).status, 0);

  EXPECT_THAT(proxy().faults(), Gt(5U));
}

TEST_F(S3Faults, InTheBytesThatAreReadAreNoticed) {
  start_and_attach();
  // Names of segments have whole seconds: that which is damaged is another second's than the rest.
  const Timestamp begin = SystemClock().now();
  wait_until("another second", [&] { return SystemClock().now() > begin + 1100ms; });
  const Mark mark = write_and_mark(1);
  agent().wait_for(mark.offset);
  EXPECT_EQ(agent().stop(), ExitResult{});
  proxy().inject({.kind = S3Fault::Kind::wrong_byte}, {.path_part = "/log/"});

  const RunResult restored =
      user().run({"restore", "--target", (user().folder() / "damaged").string(), "--layout", "aof",
                  "--at", "offset:" + std::to_string(mark.offset)});

  EXPECT_EQ(restored.status, 8) << restored.out << restored.err;
  EXPECT_FALSE(std::filesystem::exists(user().folder() / "damaged" / "appendonlydir"));
  proxy().clear();
  expect_restored_to(mark);
}

TEST_F(S3Faults, OfAStoreThatIsDownForLongCostTheLogNothing) {
  RgwGateway gateway;
  go_through(gateway.endpoint(), "  retry_time: 2s\n");
  start_and_attach();
  std::vector<Mark> marks{write_and_mark(0)};
  agent().wait_for(marks.back().offset);
  const std::string syncs = source().info("sync_full");

  gateway.stop();
  for (int round = 1; round < 12; ++round) {
    marks.push_back(write_and_mark(round));
    wait_until("the bytes have arrived",
               [&] { return acknowledged(source()) >= marks.back().offset; });
    (void)agent().process().try_wait(500ms);
  }
  EXPECT_LT(agent().durable(), marks[2].offset);
  ASSERT_TRUE(agent().running());
  gateway.start();

  expect_all_well(marks);
  EXPECT_EQ(source().info("sync_full"), syncs);
  EXPECT_EQ(agent().timeline()["windows"].size(), 1U);
}

TEST_F(S3Faults, OfAStoreThatHangsAreNoticedWithinSeconds) {
  RgwGateway gateway;
  go_through(gateway.endpoint(), "  retry_time: 2s\n");
  start_and_attach();
  std::vector<Mark> marks{write_and_mark(0)};
  agent().wait_for(marks.back().offset);

  gateway.freeze();
  marks.push_back(write_and_mark(1));
  wait_until(
      "it is said",
      [&] {
        return agent().log().find("WARN") != std::string::npos ||
               agent().log().find("warn") != std::string::npos;
      },
      30s);
  gateway.thaw();

  expect_all_well(marks);
  EXPECT_EQ(agent().timeline()["windows"].size(), 1U);
}

TEST_F(S3Faults, OfABucketThatIsGoneEndInANewHistoryOnceItIsMadeAgain) {
  go_through(S3Server::rgw().endpoint(), "  retry_time: 2s\n");
  start_and_attach();
  const Mark lost = write_and_mark(0);
  agent().wait_for(lost.offset);

  bucket().lose();
  write_some(source(), 1);
  wait_for_log("does not exist");
  agent().kill();
  bucket().make_again();
  agent().start();
  wait_until(
      "a new window", [&] { return agent().durable() >= 0; }, 60s);

  const Mark mark = write_and_mark(2);
  expect_all_well({mark});
  EXPECT_EQ(user().backups(), 1U);
}

class S3PermissionWithdrawn : public S3Faults, public testing::WithParamInterface<std::string> {};

INSTANTIATE_TEST_SUITE_P(Action, S3PermissionWithdrawn,
                         testing::Values("s3:PutObject", "s3:GetObject", "s3:ListBucket",
                                         "s3:DeleteObject"),
                         [](const auto& action) { return action.param.substr(3); });

TEST_P(S3PermissionWithdrawn, IsWaitedOutUntilItIsGivenBack) {
  go_through(S3Server::rgw().endpoint(), "  retry_time: 2s\n");
  start_and_attach();
  std::vector<Mark> marks{write_and_mark(0)};
  agent().wait_for(marks.back().offset);

  bucket().set_policy(deny(bucket(), GetParam()));
  marks.push_back(write_and_mark(1));
  const RunResult refused = user().run({"backup"});
  if (GetParam() != "s3:DeleteObject") {
    EXPECT_EQ(refused.status, 5) << refused.err;
    EXPECT_THAT(refused.err, HasSubstr(GetParam()));
  }
  ASSERT_TRUE(agent().running());
  bucket().set_policy("");

  marks.push_back(write_and_mark(2));
  expect_all_well(marks);
  EXPECT_EQ(agent().timeline()["windows"].size(), 1U);
}

// Whoever holds the lock cannot give it back, so it lapses; the agent's own lease does so before.
TEST_F(S3Faults, OfAPermissionThatGoesWhileABackupWaitsForALockAreTold) {
  go_through(S3Server::rgw().endpoint(), "  retry_time: 2s\n");
  start_and_attach();
  std::vector<Mark> marks{write_and_mark(0)};
  agent().wait_for(marks.back().offset);
  bucket().client().put(bucket().name(), "backups/orders/leases/sources/orders/writer.json",
                        R"({"kind": "keyrewind-lease", "format": 1, "holder": "another",
                            "generation": 1000, "nonce": "n", "ttl_ms": 30000,
                            "at": "2026-11-30T12:00:00.000Z", "released": false})");
  bucket().set_policy(deny(bucket(), "s3:PutObject"));

  const RunResult refused = user().run({"backup"});

  EXPECT_EQ(refused.status, 5) << refused.err;
  EXPECT_THAT(refused.err, HasSubstr("s3:PutObject"));
  bucket().set_policy("");
  marks.push_back(write_and_mark(1));
  expect_all_well(marks);
}

TEST_F(S3Faults, OfKeysThatEndWithinAnUploadEndWithTheNextKeys) {
  const auto file = user().folder() / "credentials";
  const S3Client& owner = S3Server::rgw().client();
  write_text(file, TestRepository::profile_of(owner.session_keys(3s)));
  agent().store().use_profile();
  agent().configure(source().url(), {});
  proxy().inject({.kind = S3Fault::Kind::hang}, {.operation = "UploadPart", .times = 1});
  write_noise(source(), 20, 1);
  std::vector<Mark> marks{take_mark(source())};

  agent().start({{"AWS_SHARED_CREDENTIALS_FILE", file.string()}});
  wait_until(
      "a part that hangs", [&] { return proxy().faults() == 1; }, 60s);
  wait_until(
      "a refusal", [&] { return proxy().story().find(" 403 ") != std::string::npos; }, 60s);
  write_text(file, TestRepository::profile_of(owner.session_keys(1h)));
  wait_until(
      "a window", [&] { return agent().durable() >= 0; }, 60s);

  marks.push_back(write_and_mark(1));
  agent().wait_for(marks.back().offset);
  EXPECT_EQ(agent().stop(), ExitResult{});
  EXPECT_THAT(bucket().uploads(), IsEmpty());
  agent().store().set_keys(owner.keys());
  agent().configure(source().url(), {});
  for (const Mark& mark : marks) {
    expect_restored_to(mark);
  }
}

TEST_F(S3Faults, OfAClockThatIsFarFromTheStoresAreCorrected) {
  proxy().set_clock_ahead(5min);

  start_and_attach();
  std::vector<Mark> marks{write_and_mark(0)};
  agent().wait_for(marks.back().offset);
  proxy().set_clock_ahead(-4min);
  marks.push_back(write_and_mark(1));

  agent().wait_for(marks.back().offset);
  EXPECT_EQ(user().run({"backup"}).status, 0);
  expect_all_well(marks);
}

class S3Kill : public S3Faults, public testing::WithParamInterface<int> {
 protected:
  static constexpr int kShards = 4;  ///< Tests that share the work.
};

INSTANTIATE_TEST_SUITE_P(Part, S3Kill, testing::Range(0, 4), testing::PrintToStringParamName());

TEST_P(S3Kill, AtEachRequestLeavesAWholeBackupOrNone) {
  write_noise(source(), 12, 1);
  const Mark mark = take_mark(source());
  std::size_t listed = 0;

  auto request = static_cast<std::size_t>(GetParam());
  for (;; request += kShards) {
    proxy().clear();
    const std::size_t before = proxy().faults();
    proxy().inject({.kind = request % 2 == 0 ? S3Fault::Kind::hang : S3Fault::Kind::hang_in_answer},
                   {.skip = request, .times = 1});
    Process backup = user().start({"backup"});
    wait_until(
        "the request, or the end", [&] { return proxy().faults() > before || !backup.running(); },
        60s);
    const bool whole = !backup.running();
    backup.signal(SIGKILL);
    backup.wait();
    proxy().clear();

    const std::size_t now = user().backups();
    EXPECT_THAT(now, AnyOf(listed, listed + 1)) << "killed at request " << request;
    listed = now;
    if (whole) {
      break;
    }
  }

  EXPECT_THAT(request, Gt(10U));
  EXPECT_EQ(user().run({"backup"}).status, 0);
  EXPECT_THAT(bucket().uploads(), IsEmpty());
  const RunResult verified = user().run({"verify", "--all"});
  EXPECT_EQ(verified.status, 0) << verified.err;
  const auto target = user().folder() / "restored";
  user().json({"restore", "--target", target.string()});
  RedisServer restored({.program = kServer, .dir = target});
  EXPECT_THAT(differences(mark, restored), IsEmpty());
}

}  // namespace
}  // namespace keyrewind::test
