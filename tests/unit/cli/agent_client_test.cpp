#include "cli/agent_client.h"

#include "base/error.h"
#include "flow/group.h"
#include "http/server.h"
#include "support/temp_dir.h"

#include <gmock/gmock.h>

#include <mutex>
#include <optional>
#include <vector>

namespace keyrewind::cli {
namespace {

using http::ServedRequest;
using http::ServedResponse;
using nlohmann::ordered_json;
using testing::ElementsAre;

/// An agent of the source "orders" whose task runs for two looks, then is what `end` says.
class FakeAgent final : public http::Handler {
 public:
  bool is_quick(const ServedRequest&) const override { return false; }

  http::Answer handle(const ServedRequest& request) override {
    const std::lock_guard lock(mutex_);
    asked.push_back(request.method + " " + request.raw_target + " " + request.body);
    if (request.raw_target == "/api/v1/status") {
      return answer({{"source", {{"name", "orders"}}}});
    }
    if (request.raw_target == "/busy") {
      return ServedResponse{
          .status = 409,
          .body = R"({"detail":"another backup runs","kind":"busy","exit_status":9})"};
    }
    if (request.raw_target == "/odd") {
      return ServedResponse{.status = 500, .body = "<html>"};
    }
    if (request.raw_target == "/api/v1/tasks/t:cancel") {
      end = {{"state", "cancelled"}};
      looks_ = 2;
    }
    ordered_json task = {{"id", "t"}, {"state", "running"}, {"done_bytes", looks_}};
    if (request.method == "GET" && ++looks_ > 2) {
      task.update(end);
    }
    return answer(task);
  }

  ServedResponse refuse(int status) const override { return {.status = status}; }

  ordered_json end = {{"state", "succeeded"}, {"result", {{"id", "b"}}}};
  std::vector<std::string> asked;

 private:
  static ServedResponse answer(const ordered_json& json) { return {.body = json.dump()}; }

  std::mutex mutex_;
  int looks_ = 0;
};

class AgentClientTest : public testing::Test {
 protected:
  AgentClientTest() {
    group_.spawn("http", [this](const std::stop_token& token) { server_.run(token); });
  }
  ~AgentClientTest() override { stop_.request_stop(); }

  AgentClient client() { return AgentClient::connect(socket_, "orders", {}).value(); }

  template <typename Call>
  Error failure_of(const Call& call) {
    try {
      call();
    } catch (const Error& error) {
      return error;
    }
    return {ErrorKind::internal, "nothing was thrown"};
  }

  const test::TempDir folder_;
  const std::string socket_ = folder_ / "s";
  FakeAgent agent_;
  std::stop_source stop_;
  http::Server server_{{.socket = socket_}, agent_};
  flow::Group group_{stop_.get_token()};
};

TEST_F(AgentClientTest, FindsTheAgentOfItsSourceOnly) {
  EXPECT_TRUE(AgentClient::connect(socket_, "orders", {}));
  EXPECT_FALSE(AgentClient::connect(socket_, "other", {}));
  EXPECT_FALSE(AgentClient::connect("", "orders", {}));
  EXPECT_FALSE(AgentClient::connect(folder_ / "none", "orders", {}));
}

TEST_F(AgentClientTest, FindsNoneBehindASocketThatNobodyListensOn) {
  std::filesystem::path stale = folder_ / "stale";
  {
    const http::Server killed({.socket = folder_ / "t"}, agent_);
    std::filesystem::rename(folder_ / "t", stale);
  }
  ASSERT_TRUE(std::filesystem::is_socket(stale));

  EXPECT_FALSE(AgentClient::connect(stale, "orders", {}));
}

TEST_F(AgentClientTest, WaitsForATaskAndGivesWhatItGave) {
  std::vector<int> done;
  const auto result =
      client().run_task("/start", {{"labels", {{"a", "b"}}}},
                        [&](const ordered_json& task) { done.push_back(task["done_bytes"]); }, {});

  EXPECT_EQ(result["id"], "b");
  EXPECT_THAT(done, ElementsAre(0, 1, 2));
  EXPECT_EQ(agent_.asked[1], R"(POST /start {"labels":{"a":"b"}})");
}

TEST_F(AgentClientTest, FailsAsTheTaskDid) {
  agent_.end = {
      {"state", "failed"},
      {"failure",
       {{"kind", "unavailable"}, {"exit_status", 6}, {"message", "orders is not there"}}}};

  const Error error = failure_of(
      [&] { client().run_task("/start", ordered_json::object(), [](const auto&) {}, {}); });

  EXPECT_EQ(error.kind(), ErrorKind::unavailable);
  EXPECT_EQ(exit_status(error), ExitStatus::source);
  EXPECT_STREQ(error.what(), "orders is not there");
}

TEST_F(AgentClientTest, FailsAsTheRequestDid) {
  const auto ask = [&](const std::string& target) {
    return failure_of([&] { client().ask("GET", target, nullptr, {}); });
  };

  EXPECT_EQ(ask("/busy").kind(), ErrorKind::busy);
  EXPECT_STREQ(ask("/busy").what(), "another backup runs");
  EXPECT_EQ(ask("/odd").kind(), ErrorKind::failed);
}

TEST_F(AgentClientTest, CancelsTheTaskWhenItIsStopped) {
  std::stop_source stop;
  const Error error = failure_of([&] {
    client().run_task(
        "/start", ordered_json::object(), [&](const ordered_json&) { stop.request_stop(); },
        stop.get_token());
  });

  EXPECT_EQ(error.kind(), ErrorKind::cancelled);
  EXPECT_EQ(agent_.end["state"], "cancelled");
}

}  // namespace
}  // namespace keyrewind::cli
