#include "cli/agent_call.h"

#include "base/error.h"
#include "http/server.h"
#include "support/temp_dir.h"

#include <gmock/gmock.h>

#include <map>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>

namespace keyrewind::cli {
namespace {

using testing::HasSubstr;
using testing::Pair;

/// Answers what it is told to, by method and path.
class Script final : public http::Handler {
 public:
  std::map<std::string, http::ServedResponse> answers;

  bool is_quick(const http::ServedRequest& /*request*/) const override { return true; }
  http::Answer handle(const http::ServedRequest& request) override {
    const auto found = answers.find(request.method + " " + request.raw_target);
    return found == answers.end() ? refuse(404) : found->second;
  }
  http::ServedResponse refuse(int status) const override { return {.status = status}; }
};

class AgentCall : public testing::Test {
 protected:
  AgentCall() {
    config_.source.name = "orders";
    config_.http.socket = (dir_ / "s").string();
    script_.answers["GET /api/v1/status"] = {.body = R"({"source": {"name": "orders"}})"};
  }

  /// What the agent answers, as the command sees it.
  nlohmann::ordered_json call() {
    http::Server server({.socket = config_.http.socket}, script_);
    const std::jthread thread([&server](const std::stop_token& stop) { server.run(stop); });
    return call_agent(config_, "POST", "/api/v1/schedules/a:run", {});
  }

  std::pair<ErrorKind, std::string> failure() {
    try {
      return {ErrorKind::internal, call().dump()};
    } catch (const Error& error) {
      return {error.kind(), error.what()};
    }
  }

  void answer(int status, const std::string& body) {
    script_.answers["POST /api/v1/schedules/a:run"] = {.status = status, .body = body};
  }

  const test::TempDir dir_;
  config::Config config_;
  Script script_;
};

TEST_F(AgentCall, ReturnsWhatTheAgentAnswers) {
  answer(202, R"({"id": "7"})");

  EXPECT_EQ(call()["id"], "7");
}

TEST_F(AgentCall, FailsAsTheAgentSays) {
  answer(409, R"({"title": "Conflict", "detail": "a backup is under way"})");
  EXPECT_THAT(failure(), Pair(ErrorKind::busy, "a backup is under way"));
  answer(404, R"({"title": "Not Found"})");
  EXPECT_THAT(failure(), Pair(ErrorKind::config, "Not Found"));
  answer(403, "{}");
  EXPECT_THAT(failure(), Pair(ErrorKind::denied, "the agent answers with status 403"));
  answer(500, "<html>");
  EXPECT_THAT(failure(), Pair(ErrorKind::failed, "the agent answers with status 500"));
  answer(200, "nothing");
  EXPECT_THAT(failure(), Pair(ErrorKind::failed, "the agent answers with status 200"));
}

TEST_F(AgentCall, AsksNoAgentOfAnotherSource) {
  answer(202, R"({"id": "7"})");
  script_.answers["GET /api/v1/status"] = {.body = R"({"source": {"name": "carts"}})"};

  EXPECT_THAT(failure(), Pair(ErrorKind::unavailable, HasSubstr("is one of the source 'carts'")));
}

TEST_F(AgentCall, NeedsASocketAndAnAgent) {
  const auto without_agent = [&] {
    try {
      call_agent(config_, "POST", "/", {});
    } catch (const Error& error) {
      return std::pair(error.kind(), std::string(error.what()));
    }
    return std::pair(ErrorKind::internal, std::string());
  };
  EXPECT_THAT(without_agent(), Pair(ErrorKind::unavailable, HasSubstr("no agent answers at ")));

  config_.http.socket.clear();
  EXPECT_THAT(without_agent(), Pair(ErrorKind::config, HasSubstr("http.socket is empty")));
}

}  // namespace
}  // namespace keyrewind::cli
