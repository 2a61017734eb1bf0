// What a running agent is asked over its Unix socket, with the real program and real servers.

#include "support/agent_run.h"
#include "support/http_server.h"
#include "support/marks.h"
#include "support/process.h"
#include "support/redis_server.h"
#include "support/test_repository.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace keyrewind::test {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

const std::string kServer = "valkey-server-8.1";

class AgentApi : public testing::Test {
 protected:
  void SetUp() override {
    require_server(kServer);
    require_repository();
  }

  struct Answer {
    int status = 0;
    nlohmann::json body;
    std::string text;
  };

  static Answer ask(const AgentRun& agent, const std::string& method, const std::string& path,
                    const std::string& body = "") {
    std::vector<std::string> command{"curl", "-sS", "--unix-socket",  agent.socket().string(), "-X",
                                     method, "-w",  "\n%{http_code}", "http://agent" + path};
    if (!body.empty()) {
      command.insert(command.end(), {"-H", "Content-Type: application/json", "-d", body});
    }
    const RunResult result = run(command);
    if (result.status != 0) {
      return {};
    }
    const auto end = result.out.rfind('\n');
    const std::string text = result.out.substr(0, end);
    return {std::stoi(result.out.substr(end + 1)), nlohmann::json::parse(text, nullptr, false),
            text};
  }

  /// Once it works and its log is attached.
  static void wait_for_work(const AgentRun& agent) {
    wait_until("an attached log", [&] {
      const Answer answer = ask(agent, "GET", "/api/v1/status");
      return answer.status == 200 && answer.body["log"]["attached"] == true &&
             answer.body["agent"]["role"] == "active";
    });
    wait_until("a base", [&] { return agent.durable() >= 0; });
  }

  /// Waits for the end of a task and gives it.
  static nlohmann::json end_of(const AgentRun& agent, const std::string& id) {
    nlohmann::json task;
    wait_until("the end of task " + id, [&] {
      task = ask(agent, "GET", "/api/v1/tasks/" + id).body;
      return task["state"] != "queued" && task["state"] != "running";
    });
    return task;
  }
};

TEST_F(AgentApi, TakesABackupThatIsAskedFor) {
  RedisServer source(quick_server(kServer));
  source.cli({"SET", "key", "value"});
  AgentRun agent(source.url());
  agent.start();
  wait_for_work(agent);
  const Mark mark = take_mark(source);

  Answer started;
  wait_until("the desk to be free", [&] {
    started = ask(agent, "POST", "/api/v1/backups", R"({"labels": {"why": "test"}})");
    return started.status == 202;
  });
  const auto task = end_of(agent, started.body["id"]);

  ASSERT_EQ(task["state"], "succeeded") << task.dump(2);
  EXPECT_EQ(task["result"]["trigger"], "manual");
  EXPECT_EQ(task["result"]["labels"]["why"], "test");
  const auto target = agent.user().folder() / "restored";
  agent.user().json({"restore", task["result"]["id"], "--target", target.string()});
  RedisServer restored({.program = kServer, .tcp = true, .dir = target});
  EXPECT_THAT(differences(mark, restored), IsEmpty());
}

TEST_F(AgentApi, AnswersOnItsSocketThoughItsPortIsTaken) {
  RedisServer source(quick_server(kServer));
  std::optional<HttpServer> other(std::in_place);
  AgentRun agent(source.url(), {.listen = fmt::format("127.0.0.1:{}", other->port())});
  agent.start();

  wait_for_work(agent);

  wait_until("the complaint", [&] {
    return agent.log().find("api not served; it is tried again") != std::string::npos;
  });
  const std::string url = fmt::format("http://127.0.0.1:{}/-/ready", other->port());
  other.reset();
  wait_until("an answer on the port once it is free", [&] {
    return run({"curl", "-sfS", url}).status == 0;
  });
}

TEST_F(AgentApi, EndsAFinalBackupOnceItsLogIsStored) {
  RedisServer source(quick_server(kServer));
  AgentRun agent(source.url());
  agent.start();
  wait_for_work(agent);
  source.cli({"SET", "last", "words"});
  const Mark mark = take_mark(source);

  Answer started;
  wait_until("the desk to be free", [&] {
    started = ask(agent, "POST", "/api/v1/backups", R"({"final": true})");
    return started.status == 202;
  });
  const auto task = end_of(agent, started.body["id"]);

  ASSERT_EQ(task["state"], "succeeded") << task.dump(2);
  EXPECT_EQ(task["result"]["trigger"], "final");
  EXPECT_GE(task["result"]["final_offset"], mark.offset);
  EXPECT_GE(agent.durable(), task["result"]["final_offset"].get<std::int64_t>());
  RedisServer restored = agent.restored("latest", kServer);
  EXPECT_THAT(differences(mark, restored), IsEmpty());
}

TEST_F(AgentApi, KeepsASchedulePausedOverARestart) {
  RedisServer source(quick_server(kServer));
  AgentRun agent(source.url(),
                 {.more = "snapshots: {schedules: [{name: nightly, cron: '@daily'}]}"});
  agent.start();
  wait_for_work(agent);
  EXPECT_EQ(ask(agent, "POST", "/api/v1/schedules/weekly:pause").status, 404);
  EXPECT_LT(ask(agent, "POST", "/api/v1/schedules/nightly:pause").status, 300);
  agent.kill();
  agent.start();
  wait_for_work(agent);

  const auto schedules = ask(agent, "GET", "/api/v1/schedules").body;
  EXPECT_THAT(schedules.dump(), HasSubstr("\"paused\":true"));
  EXPECT_LT(ask(agent, "POST", "/api/v1/schedules/nightly:resume").status, 300);
  wait_until("a run at once",
             [&] { return ask(agent, "POST", "/api/v1/schedules/nightly:run").status == 202; });
  wait_until("its backup", [&] {
    const auto list = agent.user().json({"list"});
    for (const auto& backup : list["backups"]) {
      if (backup["schedule"] == "nightly") {
        return true;
      }
    }
    return false;
  });
}

TEST_F(AgentApi, VerifiesABackup) {
  RedisServer source(quick_server(kServer));
  AgentRun agent(source.url());
  agent.start();
  wait_for_work(agent);

  const Answer started =
      ask(agent, "POST", "/api/v1/backups/latest/verify", R"({"level": "parse"})");
  ASSERT_EQ(started.status, 202) << started.text;
  EXPECT_EQ(end_of(agent, started.body["id"])["state"], "succeeded");
}

TEST_F(AgentApi, TellsHealthAndMetrics) {
  RedisServer source(quick_server(kServer));
  AgentRun agent(source.url());
  agent.start();
  wait_for_work(agent);

  EXPECT_EQ(ask(agent, "GET", "/-/healthy").status, 200);
  EXPECT_THAT(ask(agent, "GET", "/metrics").text, HasSubstr("keyrewind_agent_active"));
  EXPECT_LT(ask(agent, "POST", "/-/reload").status, 300);
  agent.user().configure("version: 1\nsource: {nam: orders}\n");
  EXPECT_GE(ask(agent, "POST", "/-/reload").status, 400);
  EXPECT_THAT(ask(agent, "GET", "/api/v1/status").body["agent"]["config_error"].dump(),
              HasSubstr("nam"));
}

}  // namespace
}  // namespace keyrewind::test
