#include "io/service_manager.h"

#include "support/notify_socket.h"
#include "support/temp_dir.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <chrono>
#include <string>

namespace keyrewind::io {
namespace {

using std::chrono::microseconds;

class ServiceManagerTest : public testing::Test {
 protected:
  void SetUp() override { clear(); }
  void TearDown() override { clear(); }

  static void clear() {
    for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) {
      ::unsetenv(name);
    }
  }

  test::TempDir folder_;
};

TEST_F(ServiceManagerTest, IsToldWhatHappens) {
  test::NotifySocket socket((folder_ / "n").string());
  const ServiceManager manager(socket.address(), std::nullopt);

  manager.ready();
  EXPECT_EQ(socket.receive(), "READY=1");
  manager.reloading();
  EXPECT_EQ(socket.receive(), "RELOADING=1");
  manager.alive();
  EXPECT_EQ(socket.receive(), "WATCHDOG=1");
  manager.status("two\nlines");
  EXPECT_EQ(socket.receive(), "STATUS=two lines");
  manager.stopping();
  EXPECT_EQ(socket.receive(), "STOPPING=1");
}

TEST_F(ServiceManagerTest, MayListenUnderAnAbstractName) {
  test::NotifySocket socket("@keyrewind-test-" + std::to_string(::getpid()));

  ServiceManager(socket.address(), std::nullopt).ready();

  EXPECT_EQ(socket.receive(), "READY=1");
}

TEST_F(ServiceManagerTest, IsFoundInTheEnvironment) {
  test::NotifySocket socket((folder_ / "n").string());
  ::setenv("NOTIFY_SOCKET", socket.address().c_str(), 1);
  ::setenv("WATCHDOG_USEC", "30000000", 1);
  ::setenv("WATCHDOG_PID", std::to_string(::getpid()).c_str(), 1);

  const ServiceManager manager = ServiceManager::from_environment();

  EXPECT_TRUE(manager.listens());
  EXPECT_EQ(manager.watchdog(), microseconds(30'000'000));
  manager.ready();
  EXPECT_EQ(socket.receive(), "READY=1");
}

TEST_F(ServiceManagerTest, WatchesNobodyElse) {
  ::setenv("WATCHDOG_USEC", "30000000", 1);
  ::setenv("WATCHDOG_PID", "1", 1);
  EXPECT_EQ(ServiceManager::from_environment().watchdog(), std::nullopt);

  for (const char* nonsense : {"0", "soon", "-5", ""}) {
    ::unsetenv("WATCHDOG_PID");
    ::setenv("WATCHDOG_USEC", nonsense, 1);
    EXPECT_EQ(ServiceManager::from_environment().watchdog(), std::nullopt) << nonsense;
  }
}

TEST_F(ServiceManagerTest, ThatIsNotThereHindersNobody) {
  EXPECT_FALSE(ServiceManager::from_environment().listens());
  ServiceManager::from_environment().ready();

  const ServiceManager gone((folder_ / "gone").string(), std::nullopt);
  EXPECT_TRUE(gone.listens());
  gone.ready();

  EXPECT_FALSE(ServiceManager("vsock:2:1234", std::nullopt).listens());
  EXPECT_FALSE(ServiceManager("/" + std::string(200, 'x'), std::nullopt).listens());
}

}  // namespace
}  // namespace keyrewind::io
