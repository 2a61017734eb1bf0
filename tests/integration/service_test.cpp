// The agent as a service of systemd: what it tells the service manager, and when it stops doing so.

#include "support/agent_run.h"
#include "support/notify_socket.h"
#include "support/redis_server.h"
#include "support/temp_dir.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include <chrono>
#include <csignal>
#include <optional>
#include <string>

namespace keyrewind::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr const char* kServer = "valkey-server-8.1";

class Service : public testing::Test {
 protected:
  void SetUp() override {
    require_server(kServer);
    if (!IsSkipped() && !HasFatalFailure()) {
      server_.emplace(quick_server(kServer));
      agent_.emplace(server_->url());
    }
  }

  /// As systemd would start it, with a watchdog that long.
  void start(const std::string& watchdog_usec) {
    agent_->start({{"NOTIFY_SOCKET", socket_.address()}, {"WATCHDOG_USEC", watchdog_usec}});
  }

  TempDir folder_;
  NotifySocket socket_{(folder_ / "n").string()};
  std::optional<RedisServer> server_;
  std::optional<AgentRun> agent_;
};

TEST_F(Service, TellsWhatItDoes) {
  start("200000");

  socket_.wait_for("READY=1");
  socket_.wait_for("STATUS=following the log of orders");
  socket_.wait_for("WATCHDOG=1");
  agent_->process().signal(SIGHUP);
  socket_.wait_for("RELOADING=1");
  socket_.wait_for("READY=1");
  agent_->process().signal(SIGTERM);
  socket_.wait_for("STOPPING=1");

  EXPECT_EQ(agent_->process().wait(), ExitResult{});
}

TEST_F(Service, IsNotReadyWithAConfigurationThatIsWrong) {
  agent_->configure(server_->url(), {.segment_max_age = "soon"});
  start("200000");

  EXPECT_EQ(agent_->process().wait().code, 2);
  EXPECT_EQ(socket_.receive(milliseconds(0)), std::nullopt);
}

/// Holds one thread of another process, and lets it go on at the end.
class HeldThread {
 public:
  explicit HeldThread(pid_t thread) : thread_(thread) {
    held_ = ::ptrace(PTRACE_SEIZE, thread_, nullptr, nullptr) == 0 &&
            ::ptrace(PTRACE_INTERRUPT, thread_, nullptr, nullptr) == 0 &&
            ::waitpid(thread_, nullptr, __WALL) == thread_;
  }
  ~HeldThread() { ::ptrace(PTRACE_DETACH, thread_, nullptr, nullptr); }
  HeldThread(const HeldThread&) = delete;
  HeldThread& operator=(const HeldThread&) = delete;

  bool held() const { return held_; }

 private:
  pid_t thread_;
  bool held_ = false;
};

// The thread that decides is the first one. All others go on, that of the watchdog among them.
TEST_F(Service, IsEndedByTheWatchdogWhenItHangs) {
  start("200000");
  socket_.wait_for("STATUS=following the log of orders");
  socket_.wait_for("WATCHDOG=1");
  {
    const HeldThread decides(agent_->process().pid());
    if (!decides.held()) {
      GTEST_SKIP() << "this machine lets nobody trace its children";
    }
    wait_until(
        "the agent notices that it hangs",
        [&] { return agent_->log().find("agent hangs") != std::string::npos; }, seconds(90));
    while (socket_.receive(milliseconds(0))) {
    }
    EXPECT_EQ(socket_.receive(milliseconds(1000)), std::nullopt)
        << "it was told that the agent is alive";
  }

  socket_.wait_for("WATCHDOG=1");
  EXPECT_EQ(agent_->stop(), ExitResult{});
}

}  // namespace
}  // namespace keyrewind::test
