// What `keyrewind timeline` shows of a real history, and that what it finds can be undone.

#include "support/agent_run.h"
#include "support/marks.h"
#include "support/redis_server.h"
#include "support/test_repository.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace keyrewind::test {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

class TimelineOf : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    require_server(GetParam());
    require_repository();
  }
};

INSTANTIATE_TEST_SUITE_P(Servers, TimelineOf, testing::ValuesIn(all_servers()),
                         [](const auto& server) { return to_test_name(server.param); });

TEST_P(TimelineOf, FindsACommandByItsKeyWhichIsThenUndone) {
  RedisServer source(quick_server(GetParam()));
  AgentRun agent(source.url());
  agent.start();
  wait_until("a window", [&] { return agent.durable() >= 0; });
  source.cli({"SELECT", "3"});
  for (int i = 0; i < 20; ++i) {
    source.cli({"SET", "user:" + std::to_string(i), "value"});
  }
  const Mark before = take_mark(source);
  source.cli({"MULTI"});
  source.cli({"SET", "other", "1"});
  source.cli({"DEL", "user:7"});
  source.cli({"EXEC"});
  source.cli({"SET", "after", "1"});
  agent.wait_for(offset_of(source));

  const auto found = agent.user().json({"timeline", "--find", "DEL user:7"});
  ASSERT_EQ(found["matches"].size(), 1U) << found.dump(2);
  const auto& match = found["matches"][0];
  EXPECT_EQ(match["key"], "user:7");
  EXPECT_EQ(match["database"], 3);
  EXPECT_EQ(match["before"], before.offset);

  RedisServer restored =
      agent.restored("offset:" + std::to_string(match["before"].get<std::int64_t>()), GetParam());
  EXPECT_THAT(differences(before, restored), IsEmpty());
}

TEST_P(TimelineOf, ShowsAWindowAsABar) {
  RedisServer source(quick_server(GetParam()));
  AgentRun agent(source.url());
  agent.start();
  wait_until("a window", [&] { return agent.durable() >= 0; });
  source.cli({"SET", "user:1", "secret"});
  source.cli({"FLUSHALL"});
  source.cli({"SET", "user:2", "secret"});
  agent.wait_for(offset_of(source));

  const RunResult shown = agent.user().run({"timeline"});

  EXPECT_EQ(shown.status, 0) << shown.err;
  EXPECT_THAT(shown.out, StartsWith("orders: 1 window, 0 gaps, 1 snapshot, 1 event\n\n["));
  EXPECT_THAT(shown.out, HasSubstr("FLUSHALL in database "));
  EXPECT_THAT(shown.out, Not(HasSubstr("user:")));
}

}  // namespace
}  // namespace keyrewind::test
