// Two agents of one shard: one works, the other stands by, whatever happens to them.

#include "support/agent_run.h"
#include "support/marks.h"
#include "support/paths.h"
#include "support/redis_server.h"
#include "support/temp_dir.h"
#include "support/test_repository.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <memory>
#include <optional>
#include <random>
#include <regex>
#include <string>
#include <vector>

namespace keyrewind::test {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

const std::string kServer = "valkey-server-8.1";

AgentSetup short_lease() {
  return {.more = repository_kind() == RepositoryKind::file ? "lease:\n  ttl: 2s\n" : ""};
}

/// A further agent with the configuration of another, but a spool of its own.
class SecondAgent {
 public:
  explicit SecondAgent(const AgentRun& first) {
    std::string yaml = read_text(first.user().config_file());
    const std::string spool = first.spool().string();
    yaml.replace(yaml.find(spool), spool.size(), (folder_ / "spool").string());
    write_text(config_file(), yaml);
  }

  std::filesystem::path config_file() const { return folder_ / "config.yaml"; }

  void start() {
    process_.reset();
    process_.emplace(
        ProcessOptions{.command = {program_path(), "agent", "-v", "-c", config_file().string()},
                       .err_file = folder_ / "agent.log"});
  }

  Process& process() { return *process_; }
  std::string log() const { return read_text(folder_ / "agent.log"); }

 private:
  TempDir folder_;
  std::optional<Process> process_;
};

void wait_for_log(const std::string& what, const std::function<std::string()>& log,
                  const std::string& line, std::size_t times = 1) {
  wait_until(what, [&] {
    const std::string text = log();
    std::size_t found = 0;
    for (std::size_t at = text.find(line); at != std::string::npos; at = text.find(line, at + 1)) {
      ++found;
    }
    return found >= times;
  });
}

class Lease : public testing::Test {
 protected:
  void SetUp() override {
    require_server(kServer);
    require_repository();
    source_ = std::make_unique<RedisServer>(quick_server(kServer, {"--repl-backlog-size", "64mb"}));
    agent_ = std::make_unique<AgentRun>(source_->url(), short_lease());
    second_ = std::make_unique<SecondAgent>(*agent_);
    agent_->start();
    agent_->wait_for(0);
    second_->start();
    wait_for_log(
        "the second agent to stand by", [&] { return second_->log(); }, "standing by");
  }

  Mark write(int round) {
    for (int i = 0; i < 20; ++i) {
      source_->cli({"SET", "key" + std::to_string(i), std::to_string(round)});
      source_->cli({"RPUSH", "list", std::to_string(round)});
    }
    return take_mark(*source_);
  }

  void expect_restored(const Mark& mark) {
    RedisServer restored = agent_->restored("offset:" + std::to_string(mark.offset), kServer);
    EXPECT_THAT(differences(mark, restored), IsEmpty());
  }

  /// One history, without a break, and no snapshot but the first.
  void expect_no_gap() {
    const auto timeline = agent_->timeline();
    EXPECT_THAT(timeline["windows"], SizeIs(1));
    EXPECT_THAT(timeline.dump(), Not(HasSubstr("\"gap\"")));
    EXPECT_EQ(agent_->user().backups(), 1U);
  }

  std::unique_ptr<RedisServer> source_;
  std::unique_ptr<AgentRun> agent_;
  std::unique_ptr<SecondAgent> second_;
};

TEST_F(Lease, GoesToTheOtherAgentWhenTheFirstIsKilled) {
  const Mark before = write(1);
  agent_->wait_for(before.offset);
  agent_->kill();
  const Mark after = write(2);
  agent_->wait_for(after.offset);
  EXPECT_THAT(second_->log(), HasSubstr("lease taken"));
  expect_no_gap();
  expect_restored(before);
  expect_restored(after);

  // The first one comes back, and stands by.
  agent_->start();
  wait_for_log(
      "the first agent to stand by", [&] { return agent_->log(); }, "standing by");
  EXPECT_THAT(agent_->timeline().dump(), HasSubstr("lease_taken"));
}

TEST_F(Lease, GoesAtOnceWhenTheFirstEndsInOrder) {
  EXPECT_EQ(agent_->stop(), ExitResult{});
  const Mark after = write(1);
  agent_->wait_for(after.offset);
  expect_no_gap();
  expect_restored(after);
}

TEST_F(Lease, OfAFrozenAgentIsLostAndItsLateWritesDoNoHarm) {
  std::mt19937 random(20261120);
  std::vector<Mark> marks;
  for (int round = 0; round < 4; ++round) {
    Process& working = round % 2 == 0 ? agent_->process() : second_->process();
    source_->cli({"SET", "in the spool of the frozen one", std::to_string(random())});
    working.signal(SIGSTOP);
    marks.push_back(write(round));
    agent_->wait_for(marks.back().offset);
    working.signal(SIGCONT);
    const auto log = [&] { return round % 2 == 0 ? agent_->log() : second_->log(); };
    wait_for_log("the frozen one to notice", log, "lease lost; standing by",
                 static_cast<std::size_t>(round / 2 + 1));
  }
  marks.push_back(write(100));
  agent_->wait_for(marks.back().offset);
  expect_no_gap();
  for (const Mark& mark : marks) {
    expect_restored(mark);
  }
}

TEST_F(Lease, IsHeldByExactlyOneThroughRandomKills) {
  std::mt19937 random(4711);
  std::vector<Mark> marks;
  for (int round = 0; round < 6; ++round) {
    const bool first = random() % 2 == 0;
    Process& victim = first ? agent_->process() : second_->process();
    victim.signal(SIGKILL);
    victim.wait();
    marks.push_back(write(round));
    if (first) {
      agent_->start();
    } else {
      second_->start();
    }
    agent_->wait_for(marks.back().offset);
  }
  // Each taking is one generation, and nobody ever worked under another's.
  const std::regex taken("lease taken.*generation=([0-9]+)");
  std::vector<int> generations;
  for (const std::string& log : {agent_->log(), second_->log()}) {
    for (std::sregex_iterator at(log.begin(), log.end(), taken), end; at != end; ++at) {
      generations.push_back(std::stoi((*at)[1]));
    }
  }
  EXPECT_THAT(generations, Not(IsEmpty()));
  expect_no_gap();
  for (const Mark& mark : marks) {
    expect_restored(mark);
  }
}

}  // namespace
}  // namespace keyrewind::test
