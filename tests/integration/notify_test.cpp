// Whom a running agent tells what happened, with the real program, real servers and a listener.

#include "support/agent_run.h"
#include "support/http_server.h"
#include "support/process.h"
#include "support/redis_server.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace keyrewind::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

const std::string kServer = "valkey-server-8.1";

HttpAnswer take(const HttpRequest& /*request*/) {
  return {};
}

/// What was posted to `listener` about that, in order.
std::vector<std::string> told(const HttpServer& listener, const std::string& event) {
  std::vector<std::string> messages;
  for (const HttpRequest& request : listener.requests()) {
    const auto body = nlohmann::json::parse(request.body, nullptr, false);
    if (body.is_object() && body["event"] == event) {
      EXPECT_EQ(body["source"], "orders");
      messages.push_back(body["message"]);
    }
  }
  return messages;
}

void wait_for_word(const HttpServer& listener, const std::string& event) {
  wait_until("the webhook of " + event, [&] { return !told(listener, event).empty(); });
}

class Notify : public testing::Test {
 protected:
  void SetUp() override { require_server(kServer); }
};

TEST_F(Notify, TellsWebhooksOfAGapAFailureAndARestore) {
  auto options = quick_server(kServer);
  std::optional<RedisServer> source(options);
  const std::string url = source->url();
  options.args.insert(options.args.end(), {"--port", std::to_string(source->port())});
  const HttpServer listener(take);
  const std::string notify =
      fmt::format("notify: {{webhooks: [{{url: '{}/hook'}}]}}\n", listener.url());
  AgentRun agent(url, {.more = notify}, RepositoryKind::file);
  agent.start();
  wait_until("a window", [&] { return agent.durable() >= 0; });
  EXPECT_TRUE(listener.requests().empty());

  source.reset();
  source.emplace(options);  // It has no history any more.
  wait_for_word(listener, "gap");
  EXPECT_THAT(told(listener, "gap").front(), HasSubstr("no server has the stream from offset"));

  agent.configure(url, {.more = notify + "snapshots: {min_free_memory: 100%}\n"});
  agent.process().signal(SIGHUP);
  wait_until("the reload",
             [&] { return agent.log().find("configuration reloaded") != std::string::npos; });
  wait_until("a refusal", [&] { return agent.user().run({"backup"}).status == 6; });
  wait_for_word(listener, "backup_failed");
  EXPECT_THAT(told(listener, "backup_failed").front(), HasSubstr("snapshots.min_free_memory"));
  EXPECT_EQ(agent.stop(), ExitResult{});

  // As an init container does before the server, and so before the agent beside that.
  const fs::path data = agent.user().folder() / "data";
  EXPECT_EQ(agent.user().run({"restore", "--target", data.string()}).status, 0);
  agent.start({{"KEYREWIND_SOURCE__DATA_DIR", data.string()}});
  wait_for_word(listener, "restored");
  EXPECT_THAT(told(listener, "restored").front(), HasSubstr("a restore was done at "));
}

// The first heartbeat comes after a minute.
TEST_F(Notify, SendsTheHeartbeatOnlyWhileTheAgentIsHealthy) {
  RedisServer source(quick_server(kServer));
  source.cli({"SET", "a", std::string(5000, 'x')});
  const auto setup = [](const HttpServer& listener) {
    return AgentSetup{.more = fmt::format("notify: {{heartbeat_url: '{}/beat', webhooks: [{{url: "
                                          "'{}/hook', on: [unhealthy]}}]}}\n",
                                          listener.url(), listener.url())};
  };
  const HttpServer well_heard(take);
  AgentRun well(source.url(), setup(well_heard), RepositoryKind::file);
  const HttpServer ill_heard(take);
  AgentRun ill(source.url(), setup(ill_heard), RepositoryKind::file);
  ill.user().backup();
  const fs::path object = ill.user().file(".rdb.zst");
  std::string content = read_text(object);
  content[content.size() / 3] = static_cast<char>(content[content.size() / 3] ^ 1);
  fs::permissions(object, fs::perms::owner_write, fs::perm_options::add);
  write_text(object, content);
  const std::string program = find_server(kServer)->string();
  ASSERT_EQ(ill.user().run({"drill", "--server", program}).status, 8);

  well.start();
  ill.start();

  wait_for_word(ill_heard, "unhealthy");
  EXPECT_THAT(told(ill_heard, "unhealthy").front(), HasSubstr("the drill of "));
  const RunResult status = ill.user().run({"status"});
  EXPECT_EQ(status.status, 10);
  EXPECT_THAT(status.out, HasSubstr("the drill of "));
  wait_until(
      "a heartbeat",
      [&] {
        const auto requests = well_heard.requests();
        return std::ranges::any_of(requests, [](const auto& one) { return one.target == "/beat"; });
      },
      std::chrono::seconds(120));
  for (const HttpRequest& request : ill_heard.requests()) {
    EXPECT_EQ(request.target, "/hook");
  }
}

}  // namespace
}  // namespace keyrewind::test
