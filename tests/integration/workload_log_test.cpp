// Every write command, followed and brought back: to every mark, on every server, whoever is killed
// meanwhile.

#include "support/agent_run.h"
#include "support/marks.h"
#include "support/redis_server.h"
#include "support/test_repository.h"
#include "support/workload.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace keyrewind::test {
namespace {

using testing::IsEmpty;

class WorkloadLog : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    require_server(GetParam());
    require_repository();
  }

  static void expect_restorable(const AgentRun& agent, const std::vector<Mark>& marks) {
    for (const Mark& mark : marks) {
      RedisServer restored = agent.restored("offset:" + std::to_string(mark.offset), GetParam());
      EXPECT_THAT(differences(mark, restored), IsEmpty()) << "at offset " << mark.offset;
    }
  }
};

INSTANTIATE_TEST_SUITE_P(Servers, WorkloadLog, testing::ValuesIn(all_servers()),
                         [](const auto& server) { return to_test_name(server.param); });

TEST_P(WorkloadLog, IsBroughtBackToEveryMark) {
  RedisServer source(quick_server(GetParam()));
  Workload workload(source, {.seed = 11, .expiries = true, .flushes = true});
  workload.step(300);
  AgentRun agent(source.url());
  agent.start();
  wait_until("a window", [&] { return agent.durable() >= 0; });
  std::vector<Mark> marks;
  for (int i = 0; i < 6; ++i) {
    workload.step(200);
    marks.push_back(workload.mark());
  }
  agent.wait_for(marks.back().offset);
  EXPECT_EQ(agent.stop(), ExitResult{});
  expect_restorable(agent, marks);
}

TEST_P(WorkloadLog, IsBroughtBackToEveryMarkAfterKillsOfTheAgent) {
  RedisServer source(quick_server(GetParam()));
  AgentRun agent(source.url());
  agent.start();
  wait_until("a window", [&] { return agent.durable() >= 0; });
  Workload workload(source, {.seed = 12});
  std::mt19937 random(12);
  std::vector<Mark> marks;
  for (int i = 0; i < 5; ++i) {
    workload.step(150);
    (void)agent.process().try_wait(std::chrono::milliseconds(random() % 300));
    agent.kill();
    workload.step(50);
    marks.push_back(workload.mark());
    agent.start();
  }
  agent.wait_for(marks.back().offset);
  expect_restorable(agent, marks);
}

TEST_P(WorkloadLog, IsBroughtBackToEveryMarkOfARestoredServersNewLineage) {
  std::optional<RedisServer> source(quick_server(GetParam()));
  AgentRun agent(source->url());
  agent.start();
  wait_until("a window", [&] { return agent.durable() >= 0; });
  Workload workload(*source, {.seed = 13});
  workload.step(300);
  const Mark old = workload.mark();
  agent.wait_for(old.offset);
  source->kill();

  // What somebody does on the bad night, and then goes on working.
  RedisServer restored = agent.restored("offset:" + std::to_string(old.offset), GetParam(),
                                        quick_server(GetParam()).args);
  agent.configure(restored.url(), {});
  agent.stop();
  agent.start();
  wait_until("a second window", [&] { return agent.timeline()["windows"].size() == 2; });
  Workload more(restored, {.seed = 14});
  more.step(200);
  const Mark mark = more.mark();
  wait_until("the new lineage", [&] {
    return agent.timeline()["windows"][1]["until_offset"].get<std::int64_t>() >= mark.offset;
  });
  RedisServer again = agent.restored("latest", GetParam());
  EXPECT_THAT(differences(mark, again), IsEmpty());
  EXPECT_EQ(agent.timeline()["windows"][0]["until_offset"].get<std::int64_t>() >= old.offset, true);
}

}  // namespace
}  // namespace keyrewind::test
