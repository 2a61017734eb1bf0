#include "api/api.h"

#include "base/error.h"
#include "flow/group.h"
#include "http/server.h"
#include "scripted_agent.h"
#include "support/paths.h"
#include "support/process.h"
#include "support/raw_http.h"
#include "support/temp_dir.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <cstdlib>
#include <fstream>
#include <set>
#include <thread>

namespace keyrewind::api {
namespace {

using http::Answer;
using http::ServedRequest;
using http::ServedResponse;
using nlohmann::ordered_json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

const std::string kToken = "0123456789abcdef0123456789abcdef";
const http::Peer kRemote{.is_local = false, .address = "192.0.2.7"};
const http::Peer kLoopback{.is_local = true, .address = "127.0.0.1"};
const http::Peer kUnix{.is_local = true, .address = "unix"};

/// Goes on until there is a response. `held` counts how often it was put off.
ServedResponse settle(Answer answer, int* held = nullptr) {
  while (auto* later = std::get_if<http::Later>(&answer)) {
    if (held != nullptr) {
      ++*held;
    }
    answer = later->then();
  }
  return std::get<ServedResponse>(answer);
}

std::string header_of(const ServedResponse& response, const std::string& name) {
  for (const auto& [key, value] : response.headers) {
    if (key == name) {
      return value;
    }
  }
  return "";
}

class ApiTest : public testing::Test {
 protected:
  Api& api() {
    if (!api_) {
      api_.emplace(agent_, options_);
    }
    return *api_;
  }

  ServedRequest request(const std::string& method, const std::string& target,
                        const std::string& body = "") {
    ServedRequest request;
    request.method = method;
    request.raw_target = target;
    request.target = http::parse_request_target(target).value();
    request.headers = {{"host", "localhost:8379"}};
    if (!body.empty()) {
      request.headers.emplace_back("content-type", "application/json");
    }
    request.body = body;
    request.peer = kUnix;
    return request;
  }

  ServedResponse ask(const std::string& method, const std::string& target,
                     const std::string& body = "") {
    last_ = request(method, target, body);
    return settle(api().handle(last_));
  }
  ordered_json json(const std::string& method, const std::string& target,
                    const std::string& body = "") {
    return ordered_json::parse(ask(method, target, body).body);
  }
  int status(const std::string& method, const std::string& target, const std::string& body = "") {
    return ask(method, target, body).status;
  }

  void use_token() {
    std::ofstream(folder_ / "token") << kToken;
    options_.auth.files.bearer_token = folder_ / "token";
  }

  const test::TempDir folder_;
  ScriptedAgent agent_;
  ApiOptions options_;
  std::optional<Api> api_;
  ServedRequest last_;
};

TEST_F(ApiTest, PagesFromTheNewestBackupToTheOldest) {
  agent_.add_backups(4);

  const auto first = json("GET", "/api/v1/backups?limit=3");
  const auto second =
      json("GET", "/api/v1/backups?limit=3&cursor=" + first["next_cursor"].get<std::string>());
  const auto third =
      json("GET", "/api/v1/backups?limit=3&cursor=" + second["next_cursor"].get<std::string>());

  std::vector<std::string> ids;
  for (const auto& page : {first, second, third}) {
    for (const auto& backup : page["backups"]) {
      ids.push_back(backup["id"]);
    }
  }
  EXPECT_THAT(ids, ElementsAre("backup-7", "backup-6", "backup-5", "backup-4", "backup-3",
                               "backup-2", "backup-1"));
  EXPECT_TRUE(third["next_cursor"].is_null());
}

TEST_F(ApiTest, FiltersBackups) {
  EXPECT_EQ(json("GET", "/api/v1/backups?label=number%3D2")["backups"].size(), 1U);
  EXPECT_EQ(json("GET", "/api/v1/backups?label=number%3D2&label=number%3D9")["backups"].size(), 1U);
  EXPECT_EQ(json("GET", "/api/v1/backups?since=2026-11-20T00:00:02Z")["backups"].size(), 2U);
  EXPECT_EQ(json("GET", "/api/v1/backups?until=2026-11-20T00:00:02Z")["backups"].size(), 2U);
}

TEST_F(ApiTest, SaysWhichParameterIsWrong) {
  for (const auto& [target, word] : std::map<std::string, std::string>{{"limit=0", "limit"},
                                                                       {"limit=1001", "limit"},
                                                                       {"limit=x", "limit"},
                                                                       {"cursor=x", "cursor"},
                                                                       {"since=yesterday", "since"},
                                                                       {"label=x", "label"},
                                                                       {"labl=a%3Db", "labl"}}) {
    const auto response = ask("GET", "/api/v1/backups?" + target);
    EXPECT_EQ(response.status, 400) << target;
    EXPECT_THAT(ordered_json::parse(response.body)["detail"].get<std::string>(), HasSubstr(word));
    EXPECT_EQ(header_of(response, "Content-Type"), "application/problem+json");
  }
}

TEST_F(ApiTest, SaysWhatIsWrongWithABody) {
  for (const char* body : {"{", "[]", "1", R"({"label":{}})", R"({"labels":[]})",
                           R"({"labels":{"a":1}})", R"({"final":1})"}) {
    EXPECT_EQ(status("POST", "/api/v1/backups", body), 400) << body;
  }
  for (const char* body :
       {"", R"({"locked_until":"2026-12-01T00:00:00Z"})",
        R"({"locked":true,"locked_until":"soon"})", R"({"locked":false,"reason":"x"})"}) {
    EXPECT_EQ(status("PATCH", "/api/v1/backups/latest", body), 400) << body;
  }
  EXPECT_EQ(status("POST", "/api/v1/backups/latest/verify", R"({"level":"deep"})"), 400);
  EXPECT_EQ(status("POST", "/api/v1/backups?wait=tomorrow"), 400);
  EXPECT_THAT(agent_.tasks(), IsEmpty());
}

TEST_F(ApiTest, WantsJson) {
  ServedRequest form = request("POST", "/api/v1/backups", "a=b");
  form.headers.back().second = "application/x-www-form-urlencoded";

  EXPECT_EQ(settle(api().handle(form)).status, 415);
}

TEST_F(ApiTest, StartsABackupAndSaysWhereItsTaskIs) {
  const auto response =
      ask("POST", "/api/v1/backups", R"({"labels":{"team":"core"},"final":true})");

  EXPECT_EQ(response.status, 202);
  EXPECT_EQ(header_of(response, "Location"), "/api/v1/tasks/task-1");
  ASSERT_EQ(agent_.started.size(), 1U);
  EXPECT_EQ(agent_.started.front().labels.at("team"), "core");
  EXPECT_TRUE(agent_.started.front().final);
}

TEST_F(ApiTest, WaitsForATask) {
  last_ = request("POST", "/api/v1/backups?wait=5m");
  Answer answer = api().handle(last_);
  ASSERT_TRUE(std::holds_alternative<http::Later>(answer));
  agent_.end_task("task-1", Task::State::succeeded);

  const auto response = settle(std::get<http::Later>(answer).then());

  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(ordered_json::parse(response.body)["result"]["id"], "backup-4");
}

TEST_F(ApiTest, StartsNothingTwiceUnderOneKey) {
  const auto start = [&](const std::string& key, const std::string& body) {
    last_ = request("POST", "/api/v1/backups", body);
    last_.headers.emplace_back("idempotency-key", key);
    return settle(api().handle(last_));
  };

  EXPECT_EQ(start("a", "{}").status, 202);
  EXPECT_EQ(header_of(start("a", "{}"), "Location"), "/api/v1/tasks/task-1");
  EXPECT_EQ(header_of(start("b", "{}"), "Location"), "/api/v1/tasks/task-2");
  EXPECT_EQ(start("a", R"({"final":true})").status, 400);
  EXPECT_EQ(start(std::string(256, 'k'), "{}").status, 400);

  agent_.failure.emplace(ErrorKind::busy, "another backup runs");
  EXPECT_EQ(start("c", "{}").status, 409);
  agent_.failure.reset();
  EXPECT_EQ(start("c", "{}").status, 202);
}

TEST_F(ApiTest, LocksUnlocksAndDeletes) {
  const auto locked =
      json("PATCH", "/api/v1/backups/latest",
           R"({"locked":true,"locked_until":"2027-01-01T00:00:00Z","reason":"audit"})");
  EXPECT_EQ(locked["lock"]["until"], "2027-01-01T00:00:00.000Z");
  EXPECT_EQ(status("DELETE", "/api/v1/backups/backup-3"), 409);

  EXPECT_TRUE(json("PATCH", "/api/v1/backups/backup-3", R"({"locked":false})")["lock"].is_null());
  EXPECT_EQ(status("DELETE", "/api/v1/backups/backup-3"), 204);
  EXPECT_EQ(status("GET", "/api/v1/backups/backup-3"), 404);
}

TEST_F(ApiTest, MapsFailuresToProblems) {
  for (const auto& [kind, expected] : std::map<ErrorKind, int>{{ErrorKind::unavailable, 503},
                                                               {ErrorKind::denied, 502},
                                                               {ErrorKind::protocol, 502},
                                                               {ErrorKind::no_backup, 404},
                                                               {ErrorKind::busy, 409},
                                                               {ErrorKind::corrupt, 500},
                                                               {ErrorKind::internal, 500},
                                                               {ErrorKind::config, 400}}) {
    agent_.failure.emplace(Side::repository, kind, "said by the store");
    const auto response = ask("GET", "/api/v1/timeline");
    const auto body = ordered_json::parse(response.body);

    EXPECT_EQ(response.status, expected);
    EXPECT_EQ(body["status"], expected);
    EXPECT_EQ(body["kind"], to_string(kind));
    EXPECT_EQ(body["exit_status"], static_cast<int>(exit_status(*agent_.failure)));
    EXPECT_EQ(body["detail"], "said by the store");
  }
}

TEST_F(ApiTest, AnswersHealthWhateverTheRepositoryDoes) {
  agent_.failure.emplace(Side::repository, ErrorKind::unavailable, "down");

  EXPECT_EQ(status("GET", "/-/healthy"), 200);
  EXPECT_EQ(status("GET", "/-/ready"), 200);
  EXPECT_TRUE(api().is_quick(request("GET", "/-/healthy")));
  EXPECT_TRUE(api().is_quick(request("GET", "/metrics")));
  EXPECT_FALSE(api().is_quick(request("GET", "/api/v1/backups")));

  agent_.healthy = false;
  EXPECT_EQ(status("GET", "/-/healthy"), 200);  // A new start would help against nothing.
  EXPECT_EQ(json("GET", "/-/healthy")["healthy"], false);
  EXPECT_EQ(json("GET", "/-/healthy")["reasons"][0]["code"], "log_detached");
  EXPECT_EQ(status("GET", "/-/ready"), 503);
  agent_.alive = false;
  EXPECT_EQ(status("GET", "/-/healthy"), 503);
}

TEST_F(ApiTest, SaysThatAReloadFailed) {
  EXPECT_EQ(status("POST", "/-/reload"), 200);
  agent_.reload_failure.emplace(ErrorKind::config, "line 3 is wrong");

  const auto response = ask("POST", "/-/reload");

  EXPECT_EQ(response.status, 422);
  EXPECT_THAT(response.body, HasSubstr("line 3 is wrong"));
}

TEST_F(ApiTest, GivesMetricsWithTheTypeThatPrometheusWants) {
  options_.metrics = [] { return "keyrewind_build_info 1\n"; };

  const auto response = ask("GET", "/metrics");

  EXPECT_EQ(header_of(response, "Content-Type"), "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_EQ(response.body, "keyrewind_build_info 1\n");
}

TEST_F(ApiTest, SaysWhichMethodsThereAre) {
  const auto response = ask("PUT", "/api/v1/backups/latest");

  EXPECT_EQ(response.status, 405);
  EXPECT_EQ(header_of(response, "Allow"), "GET, HEAD, PATCH, DELETE");
  EXPECT_EQ(status("TRACE", "/api/v1/status"), 405);
  EXPECT_EQ(status("HEAD", "/api/v1/status"), 200);
  EXPECT_EQ(status("GET", "/api/v1/nothing"), 404);
  EXPECT_EQ(status("GET", "/api/v2/status"), 404);
}

TEST_F(ApiTest, TellsOfEachAnswerOnce) {
  std::vector<std::pair<std::string, int>> told;
  options_.on_answer = [&](const std::string& route, int code, std::chrono::microseconds) {
    told.emplace_back(route, code);
  };
  ask("GET", "/api/v1/backups/latest");
  ask("GET", "/nothing");
  last_ = request("POST", "/api/v1/backups?wait=5m");
  Answer answer = api().handle(last_);
  agent_.end_task("task-1", Task::State::failed);
  settle(std::move(answer));

  EXPECT_THAT(told, ElementsAre(std::pair(std::string("/api/v1/backups/{id}"), 200),
                                std::pair(std::string("other"), 404),
                                std::pair(std::string("/api/v1/backups"), 200)));
}

TEST_F(ApiTest, LetsNoPageRunAnythingButItsOwn) {
  const auto page = ask("GET", "/");

  EXPECT_THAT(header_of(page, "Content-Security-Policy"), HasSubstr("default-src 'self'"));
  EXPECT_EQ(header_of(page, "X-Content-Type-Options"), "nosniff");
  EXPECT_THAT(page.body, Not(HasSubstr("http")));
  EXPECT_THAT(page.body, Not(HasSubstr("<style")));
  EXPECT_THAT(std::string(console_script()), Not(HasSubstr("innerHTML")));
  EXPECT_THAT(std::string(console_script()), Not(HasSubstr("http")));
}

// Who may do what: each route, whoever asks and whatever is shown.

class ApiAccess : public ApiTest {
 protected:
  /// The status with which `route` is refused, or 0 if it is let through.
  int refusal(const std::pair<std::string, std::string>& route, const http::Peer& peer,
              const std::string& authorization, const http::Headers& more = {}) {
    std::string target = route.second;
    for (const auto& [name, value] : std::map<std::string, std::string>{
             {"{id}:cancel", "none:cancel"}, {"{id}", "none"}, {"{name}", "none"}}) {
      if (const auto found = target.find(name); found != std::string::npos) {
        target.replace(found, name.size(), value);
      }
    }
    ServedRequest asked = request(route.first, target);
    asked.peer = peer;
    if (!authorization.empty()) {
      asked.headers.emplace_back("authorization", authorization);
    }
    asked.headers.insert(asked.headers.end(), more.begin(), more.end());
    const int code = settle(api().handle(asked)).status;
    return code == 401 || code == 403 || code == 429 ? code : 0;
  }

  static bool is_open(const std::string& path) {
    static const std::set<std::string> open{"/",          "/console.js", "/console.css",
                                            "/-/healthy", "/-/ready",    "/api/v1/openapi.json"};
    return open.contains(path);
  }
};

TEST_F(ApiAccess, WithCredentialsConfigured) {
  use_token();
  for (const auto& route : api().routes()) {
    const bool writes = route.first != "GET";
    const int expected = writes ? 401 : 0;
    for (const http::Peer& peer : {kRemote, kLoopback}) {
      EXPECT_EQ(refusal(route, peer, ""), expected) << route.first << route.second;
      EXPECT_EQ(refusal(route, peer, "Bearer wrong"), expected) << route.first << route.second;
      EXPECT_EQ(refusal(route, peer, "Bearer " + kToken), 0) << route.first << route.second;
    }
    EXPECT_EQ(refusal(route, kUnix, ""), 0) << route.first << route.second;
  }
}

TEST_F(ApiAccess, WithoutAnonymousReads) {
  use_token();
  options_.auth.anonymous_reads = false;
  for (const auto& route : api().routes()) {
    const int expected = is_open(route.second) ? 0 : 401;
    for (const http::Peer& peer : {kRemote, kLoopback}) {
      EXPECT_EQ(refusal(route, peer, ""), expected) << route.first << route.second;
      EXPECT_EQ(refusal(route, peer, "Bearer wrong"), expected) << route.first << route.second;
      EXPECT_EQ(refusal(route, peer, "Bearer " + kToken), 0) << route.first << route.second;
    }
    EXPECT_EQ(refusal(route, kUnix, ""), 0) << route.first << route.second;
  }
}

TEST_F(ApiAccess, WithoutCredentialsToHave) {
  for (const auto& route : api().routes()) {
    const bool writes = route.first != "GET";
    EXPECT_EQ(refusal(route, kRemote, ""), writes ? 403 : 0) << route.first << route.second;
    EXPECT_EQ(refusal(route, kRemote, "Bearer any"), writes ? 403 : 0) << route.second;
    EXPECT_EQ(refusal(route, kLoopback, ""), 0) << route.first << route.second;
    EXPECT_EQ(refusal(route, kUnix, ""), 0) << route.first << route.second;
  }
}

TEST_F(ApiAccess, OfPagesOfOtherSites) {
  const std::pair<std::string, std::string> write{"POST", "/api/v1/backups"};
  for (const http::Peer& peer : {kLoopback, kUnix}) {
    EXPECT_EQ(refusal(write, peer, "", {{"origin", "https://evil.example"}}), 403);
    EXPECT_EQ(refusal(write, peer, "", {{"origin", "null"}}), 403);
    EXPECT_EQ(refusal(write, peer, "", {{"sec-fetch-site", "cross-site"}}), 403);
    EXPECT_EQ(refusal(write, peer, "", {{"origin", "http://localhost:8379"}}), 0);
    EXPECT_EQ(refusal({"GET", "/api/v1/status"}, peer, "", {{"origin", "https://evil.example"}}),
              0);
  }
}

TEST_F(ApiAccess, OfAForeignNameForThisMachine) {
  ServedRequest rebound = request("POST", "/api/v1/backups");
  rebound.peer = kLoopback;
  rebound.headers = {{"host", "evil.example:8379"}};

  EXPECT_EQ(settle(api().handle(rebound)).status, 403);
}

TEST_F(ApiAccess, HoldsWrongCredentialsBackAndFewAtOnce) {
  use_token();
  ServedRequest wrong = request("POST", "/-/reload");
  wrong.peer = kRemote;
  wrong.headers.emplace_back("authorization", "Bearer wrong");
  std::vector<Answer> held;
  for (int i = 0; i < 8; ++i) {
    held.push_back(api().handle(wrong));
    EXPECT_TRUE(std::holds_alternative<http::Later>(held.back()));
  }

  EXPECT_EQ(settle(api().handle(wrong)).status, 429);
  ServedRequest other = wrong;
  other.peer.address = "192.0.2.8";
  other.headers.back().second = "Bearer " + kToken;
  EXPECT_EQ(settle(api().handle(other)).status, 200);

  for (Answer& answer : held) {
    EXPECT_EQ(settle(std::move(answer)).status, 401);
  }
  EXPECT_EQ(settle(api().handle(wrong)).status, 401);
}

TEST_F(ApiAccess, SaysTheSameOfAnUnknownUserAndAWrongPassword) {
  std::ofstream(folder_ / "users")
      << "ann:$2y$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2\n";
  options_.auth.files.basic_users = folder_ / "users";
  const auto answer_to = [&](const std::string& encoded) {
    ServedRequest asked = request("POST", "/-/reload");
    asked.peer = kRemote;
    asked.headers.emplace_back("authorization", "Basic " + encoded);
    return settle(api().handle(asked));
  };

  const auto wrong = answer_to("YW5uOndyb25n");
  const auto unknown = answer_to("Ym9iOndyb25n");

  EXPECT_EQ(wrong.status, 401);
  EXPECT_EQ(wrong.body, unknown.body);
  EXPECT_EQ(wrong.headers, unknown.headers);
  EXPECT_EQ(answer_to("YW5uOmNvcnJlY3QgaG9yc2U=").status, 200);
}

// The document.

TEST_F(ApiTest, DescribesEachRouteAndNoOther) {
  const auto document = ordered_json::parse(openapi_document());
  std::set<std::pair<std::string, std::string>> described;
  for (const auto& [path, methods] : document["paths"].items()) {
    for (const auto& [method, operation] : methods.items()) {
      std::string upper = method;
      std::transform(upper.begin(), upper.end(), upper.begin(), ::toupper);
      described.emplace(upper, path);
    }
  }
  const auto routes = api().routes();

  EXPECT_EQ(described, std::set(routes.begin(), routes.end()));
}

/// Asks a real server everything that the document describes, well and badly.
class ApiDocument : public ApiTest {
 protected:
  void serve() {
    server_.emplace(http::ServerOptions{.listen = "127.0.0.1:0", .socket = folder_ / "s"}, api());
    group_.emplace(stop_.get_token());
    group_->spawn("http", [this](const std::stop_token& token) { server_->run(token); });
  }
  ~ApiDocument() override {
    stop_.request_stop();
    group_.reset();
  }

  void note(const std::string& method, const std::string& path, const std::string& target,
            const std::string& body = "", bool over_tcp = false) {
    auto connection = over_tcp ? test::RawHttp::over_tcp(*server_->port())
                               : test::RawHttp::over_unix(folder_ / "s");
    connection.send(
        fmt::format("{} {} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                    "Content-Length: {}\r\n\r\n{}",
                    method, target, body.size(), body));
    auto reply = connection.reply();
    ASSERT_TRUE(reply) << method << target;
    answers_.push_back({{"method", method},
                        {"path", path},
                        {"status", reply->status},
                        {"type", reply->headers["content-type"]},
                        {"body", reply->body}});
  }

  http::ServerOptions server_options_;
  std::stop_source stop_;
  std::optional<http::Server> server_;
  std::optional<flow::Group> group_;
  ordered_json answers_ = ordered_json::array();
};

TEST_F(ApiDocument, AgreesWithTheServer) {
  if (test::Process({.command = {"python3", "-c", "import jsonschema"}}).wait().code != 0) {
    const char* required = std::getenv("KEYREWIND_REQUIRE_SERVERS");
    ASSERT_STRNE(required == nullptr ? "" : required, "1") << "python3-jsonschema is not installed";
    GTEST_SKIP() << "python3-jsonschema is not installed";
  }
  use_token();
  options_.auth.anonymous_reads = false;
  serve();
  const std::string v1 = "/api/v1";
  const auto round = [&](bool over_tcp) {
    const auto ask = [&](const std::string& method, const std::string& path,
                         const std::string& target, const std::string& body = "") {
      note(method, path, target, body, over_tcp);
    };
    for (const char* path :
         {"/", "/console.js", "/console.css", "/metrics", "/-/healthy", "/-/ready"}) {
      ask("GET", path, path);
    }
    for (const char* path : {"/openapi.json", "/status", "/config", "/timeline", "/schedules",
                             "/tasks", "/backups", "/restore-request"}) {
      ask("GET", v1 + path, v1 + path);
    }
    ask("POST", "/-/reload", "/-/reload");
    ask("GET", v1 + "/backups", v1 + "/backups?limit=1&label=number%3D3");
    ask("GET", v1 + "/backups", v1 + "/backups?limit=x");
    ask("POST", v1 + "/backups", v1 + "/backups", R"({"labels":{"a":"b"}})");
    ask("POST", v1 + "/backups", v1 + "/backups", "{");
    ask("POST", v1 + "/backups/{id}/verify", v1 + "/backups/latest/verify", R"({"level":"load"})");
    ask("POST", v1 + "/backups/{id}/verify", v1 + "/backups/none/verify");
    ask("GET", v1 + "/tasks", v1 + "/tasks");
    ask("GET", v1 + "/tasks/{id}", v1 + "/tasks/task-1");
    ask("GET", v1 + "/tasks/{id}", v1 + "/tasks/none");
    ask("POST", v1 + "/tasks/{id}:cancel", v1 + "/tasks/task-1:cancel");
    ask("POST", v1 + "/tasks/{id}:cancel", v1 + "/tasks/none:cancel");
    ask("GET", v1 + "/backups/{id}", v1 + "/backups/latest");
    ask("GET", v1 + "/backups/{id}", v1 + "/backups/none");
    ask("PATCH", v1 + "/backups/{id}", v1 + "/backups/backup-1", R"({"locked":true,"reason":"x"})");
    ask("DELETE", v1 + "/backups/{id}", v1 + "/backups/backup-1");
    ask("PATCH", v1 + "/backups/{id}", v1 + "/backups/backup-1", R"({"locked":false})");
    ask("DELETE", v1 + "/backups/{id}", v1 + "/backups/backup-1");
    ask("DELETE", v1 + "/backups/{id}", v1 + "/backups/backup-1");
    for (const char* action : {"pause", "resume", "run"}) {
      const std::string path = v1 + "/schedules/{name}:" + action;
      ask("POST", path, v1 + "/schedules/nightly:" + action);
      ask("POST", path, v1 + "/schedules/none:" + action);
    }
    ask("DELETE", v1 + "/restore-request", v1 + "/restore-request");
    ask("PUT", v1 + "/restore-request", v1 + "/restore-request", R"({"at":"latest"})");
    ask("GET", v1 + "/restore-request", v1 + "/restore-request");
    ask("DELETE", v1 + "/restore-request", v1 + "/restore-request");
  };

  round(false);
  agent_.end_task("task-1", Task::State::succeeded);
  agent_.end_task("task-2", Task::State::failed);
  note("GET", v1 + "/tasks", v1 + "/tasks");
  round(true);  // All refused but what is open.
  agent_.healthy = false;
  agent_.reload_failure.emplace(ErrorKind::config, "line 3");
  agent_.failure.emplace(Side::repository, ErrorKind::denied, "no");
  note("GET", "/-/healthy", "/-/healthy");
  note("GET", "/-/ready", "/-/ready");
  note("POST", "/-/reload", "/-/reload");
  note("GET", v1 + "/timeline", v1 + "/timeline");
  note("GET", v1 + "/backups", v1 + "/backups");
  note("POST", v1 + "/backups", v1 + "/backups");
  note("GET", v1 + "/restore-request", v1 + "/restore-request");

  std::ofstream(folder_ / "answers") << answers_.dump();
  const auto check =
      test::run({"python3", "-W", "ignore", test::source_dir() / "tests/unit/api/check_answers.py",
                 test::source_dir() / "agent/api/openapi.json", folder_ / "answers"});
  EXPECT_EQ(check.status, 0) << check.out << check.err;
}

}  // namespace
}  // namespace keyrewind::api
