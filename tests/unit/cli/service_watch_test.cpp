#include "cli/service_watch.h"

#include "flow/group.h"
#include "support/notify_socket.h"
#include "support/temp_dir.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <string>

namespace keyrewind::cli {
namespace {

using std::chrono::milliseconds;

class ServiceWatch : public testing::Test {
 protected:
  void watch() {
    group_.spawn("watchdog", [this](const std::stop_token& stop) {
      watch_service(
          manager_, pulse_, [this] { return std::string(good_ ? "good" : "bad"); }, stop);
    });
  }

  test::TempDir folder_;
  test::NotifySocket socket_{(folder_ / "n").string()};
  const io::ServiceManager manager_{socket_.address(), milliseconds(20)};
  flow::Pulse pulse_;
  std::atomic<bool> good_ = true;
  flow::Group group_{{}};
};

TEST_F(ServiceWatch, TellsThatTheAgentIsAlive) {
  watch();

  socket_.wait_for("WATCHDOG=1");
  socket_.wait_for("WATCHDOG=1");
  socket_.wait_for("WATCHDOG=1");
}

TEST_F(ServiceWatch, FallsSilentWithThePulse) {
  pulse_.beat(milliseconds(-1));
  watch();

  EXPECT_EQ(socket_.receive(), "STATUS=good");
  // It tells news of the status, but nothing of life: twenty of its rounds have passed by then.
  EXPECT_EQ(socket_.receive(milliseconds(200)), std::nullopt);
  pulse_.beat(std::chrono::hours(1));
  EXPECT_EQ(socket_.receive(), "WATCHDOG=1") << "it has recovered";
}

TEST_F(ServiceWatch, TellsTheStatusWhenItChanges) {
  watch();
  socket_.wait_for("STATUS=good");

  good_ = false;

  for (const std::string& between : socket_.wait_for("STATUS=bad")) {
    EXPECT_EQ(between, "WATCHDOG=1");
  }
}

}  // namespace
}  // namespace keyrewind::cli
