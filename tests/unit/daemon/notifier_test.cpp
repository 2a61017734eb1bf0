#include "daemon/notifier.h"

#include "base/log.h"
#include "flow/group.h"
#include "support/http_server.h"
#include "support/manual_clock.h"
#include "support/temp_dir.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <fstream>
#include <string>
#include <thread>

namespace keyrewind::daemon {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;
using testing::Not;

class NotifierTest : public testing::Test {
 protected:
  NotifierTest() { log::configure(log::Level::warn, log::Format::text); }

  NotifierOptions options(const test::HttpServer& server) {
    return {.source = "orders",
            .webhooks = {{.place = {.url = Secret(server.url() + "/secret-hook?key=k7")}}},
            .heartbeat_interval = milliseconds(5),
            .first_pause = milliseconds(1)};
  }

  /// Until `server` has been asked `count` times, or 20 s.
  void run_until_asked(const test::HttpServer& server, std::size_t count) {
    std::stop_source end;
    flow::Group threads(end.get_token());
    threads.spawn("webhooks", [&](const std::stop_token& stop) { notifier_.run_webhooks(stop); });
    EXPECT_TRUE(server.wait_for_requests(count));
    // They count once their heads have come; the end may not cut a body off.
    for (int i = 0; i < 20000 && !all_whole(server); ++i) {
      std::this_thread::sleep_for(milliseconds(1));
    }
    end.request_stop();
    threads.wait();
  }

  static bool all_whole(const test::HttpServer& server) {
    return std::ranges::all_of(server.requests(), [](const test::HttpRequest& request) {
      return !request.has_header("content-length") ||
             std::to_string(request.body.size()) == request.header("content-length");
    });
  }

  test::ManualClock clock_{from_rfc3339("2026-11-30T03:00:00Z").value()};
  std::atomic<bool> healthy_{true};
  std::atomic<int> succeeded_{0};
  std::atomic<int> failed_{0};
  Notifier notifier_{
      [this] { return healthy_.load(); },
      [this](Notifier::Kind /*kind*/, bool success) { ++(success ? succeeded_ : failed_); },
      clock_};
};

TEST_F(NotifierTest, TellsAWebhookWhatHappened) {
  test::HttpServer server([](const test::HttpRequest&) { return test::HttpAnswer{}; });
  notifier_.configure(options(server));
  notifier_.tell(Occasion::gap, "no server has the stream \xff any more");
  run_until_asked(server, 1);

  const test::HttpRequest request = server.last_request();
  const auto body = nlohmann::json::parse(request.body);
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.target, "/secret-hook?key=k7");
  EXPECT_EQ(request.header("content-type"), "application/json");
  EXPECT_EQ(body["event"], "gap");
  EXPECT_EQ(body["source"], "orders");
  EXPECT_EQ(body["at"], "2026-11-30T03:00:00.000Z");
  EXPECT_THAT(std::string(body["message"]), HasSubstr("no server has the stream"));
}

TEST_F(NotifierTest, SpeaksAsSlackListens) {
  test::HttpServer server([](const test::HttpRequest&) { return test::HttpAnswer{}; });
  NotifierOptions slack = options(server);
  slack.webhooks[0].slack = true;
  notifier_.configure(slack);
  notifier_.tell(Occasion::backup_failed, "a backup failed: disk full");
  run_until_asked(server, 1);

  const auto body = nlohmann::json::parse(server.last_request().body);
  EXPECT_EQ(body.size(), 1U);
  EXPECT_EQ(body["text"], "Keyrewind, orders: a backup failed: disk full (backup_failed)");
}

TEST_F(NotifierTest, TellsOnlyWhatIsWanted) {
  test::HttpServer server([](const test::HttpRequest&) { return test::HttpAnswer{}; });
  NotifierOptions wanted = options(server);
  wanted.webhooks[0].on = {"gap", "verify_failed"};
  notifier_.configure(wanted);
  notifier_.tell(Occasion::backup_failed, "not this");
  notifier_.tell(Occasion::verify_failed, "this");
  run_until_asked(server, 1);

  EXPECT_THAT(server.last_request().body, HasSubstr("verify_failed"));
}

TEST_F(NotifierTest, TriesAgainSoOftenAndNoMore) {
  test::HttpServer server([](const test::HttpRequest& request) {
    return test::HttpAnswer{.status =
                                request.body.find("hopeless") != std::string::npos ? 500 : 204};
  });
  NotifierOptions patient = options(server);
  patient.tries = 3;
  notifier_.configure(patient);
  notifier_.tell(Occasion::gap, "hopeless");
  notifier_.tell(Occasion::gap, "the next one");
  run_until_asked(server, 4);

  EXPECT_EQ(server.requests().size(), 4U);
  EXPECT_THAT(server.last_request().body, HasSubstr("the next one"));
  EXPECT_EQ(failed_, 1);
}

TEST_F(NotifierTest, LogsNoMoreOfAnAddressThanItsHost) {
  test::HttpServer server([](const test::HttpRequest&) { return test::HttpAnswer{.status = 500}; });
  NotifierOptions once = options(server);
  once.tries = 1;
  notifier_.configure(once);
  notifier_.tell(Occasion::gap, "first");
  notifier_.tell(Occasion::gap, "second");
  testing::internal::CaptureStderr();
  run_until_asked(server, 2);
  const std::string said = testing::internal::GetCapturedStderr();

  EXPECT_THAT(said, HasSubstr("webhook given up"));
  EXPECT_THAT(said, Not(HasSubstr("secret-hook")));
  EXPECT_THAT(said, Not(HasSubstr("k7")));
}

TEST_F(NotifierTest, ReadsAnAddressFromItsFileEachTime) {
  test::HttpServer server([](const test::HttpRequest&) { return test::HttpAnswer{}; });
  const test::TempDir folder;
  NotifierOptions by_file = options(server);
  by_file.webhooks[0].place = {.url_file = (folder / "url").string()};
  by_file.tries = 100;
  notifier_.configure(by_file);
  notifier_.tell(Occasion::gap, "once there is an address");
  std::ofstream(folder / "url") << server.url() << "/from-file\r\n";
  run_until_asked(server, 1);

  EXPECT_EQ(server.last_request().target, "/from-file");
}

TEST_F(NotifierTest, SendsAHeartbeatAsLongAsAllIsWell) {
  test::HttpServer server([](const test::HttpRequest&) { return test::HttpAnswer{}; });
  NotifierOptions beating = options(server);
  beating.heartbeat = {.url = Secret(server.url() + "/ping")};
  notifier_.configure(beating);
  std::stop_source end;
  flow::Group threads(end.get_token());
  threads.spawn("heartbeat", [&](const std::stop_token& stop) { notifier_.run_heartbeat(stop); });
  EXPECT_TRUE(server.wait_for_requests(2));
  healthy_ = false;
  const std::size_t beats = server.requests().size();
  std::this_thread::sleep_for(milliseconds(100));  // Of 20 beats.
  EXPECT_LE(server.requests().size(), beats + 1) << "one may have been on its way";
  healthy_ = true;
  EXPECT_TRUE(server.wait_for_requests(beats + 5)) << "all is well again";
  end.request_stop();
  threads.wait();
  EXPECT_EQ(server.last_request().method, "GET");
  EXPECT_EQ(server.last_request().target, "/ping");

  const std::size_t before = server.requests().size();
  std::stop_source stopped;
  stopped.request_stop();
  notifier_.run_heartbeat(stopped.get_token());
  EXPECT_EQ(server.requests().size(), before);
}

}  // namespace
}  // namespace keyrewind::daemon
