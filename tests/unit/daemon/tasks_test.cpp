#include "daemon/tasks.h"

#include "support/manual_clock.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace keyrewind::daemon {
namespace {

using State = api::Task::State;

const Timestamp kNow = Timestamp(std::chrono::hours(500000));

class TasksTest : public testing::Test {
 protected:
  State state_of(const std::string& id) { return tasks_.find(id).value().state; }

  test::ManualClock clock_{kNow};
  Tasks tasks_{clock_};
};

TEST_F(TasksTest, GoFromWaitingToTheirEnd) {
  const auto job = tasks_.add(api::Task::Kind::backup, "nightly");
  EXPECT_EQ(state_of(job->id()), State::queued);

  job->begin();
  job->progress().bytes = 7;
  job->progress().total_bytes = 14;
  const api::Task running = tasks_.find(job->id()).value();
  EXPECT_EQ(running.state, State::running);
  EXPECT_EQ(running.schedule, "nightly");
  EXPECT_EQ(running.started, kNow);
  EXPECT_EQ(running.done_bytes, 7U);
  EXPECT_EQ(running.fraction, 0.5);
  EXPECT_FALSE(running.is_over());

  job->succeed({{"id", "20261120T130221Z-0a1b2c"}});
  const api::Task ended = tasks_.find(job->id()).value();
  EXPECT_EQ(ended.state, State::succeeded);
  EXPECT_EQ(ended.result["id"], "20261120T130221Z-0a1b2c");
  EXPECT_TRUE(ended.finished);
}

TEST_F(TasksTest, EndOnce) {
  const auto job = tasks_.add(api::Task::Kind::backup, "");
  job->fail(Error(Side::source, ErrorKind::unavailable, "gone"));
  job->succeed({});
  job->begin();

  const api::Task task = tasks_.find(job->id()).value();
  EXPECT_EQ(task.state, State::failed);
  EXPECT_EQ(task.failure.value().message, "gone");
  EXPECT_EQ(task.failure.value().side, Side::source);
}

TEST_F(TasksTest, StopWhenSomebodyCancelsThem) {
  const auto job = tasks_.add(api::Task::Kind::verify, "");

  EXPECT_TRUE(tasks_.cancel(job->id()));
  EXPECT_TRUE(job->stop_token().stop_requested());
  job->fail(Error(ErrorKind::cancelled, "stopped"));

  EXPECT_EQ(state_of(job->id()), State::cancelled);
  EXPECT_FALSE(tasks_.cancel("20261120T130221Z-00000000"));
}

TEST_F(TasksTest, AreCancelledAtTheEndUnlessTheyAreOver) {
  const auto over = tasks_.add(api::Task::Kind::prune, "");
  over->succeed({});
  const auto running = tasks_.add(api::Task::Kind::prune, "");

  tasks_.cancel_all();

  EXPECT_FALSE(over->stop_token().stop_requested());
  EXPECT_TRUE(running->stop_token().stop_requested());
}

TEST_F(TasksTest, AreForgottenOnceTheyAreManyAndOver) {
  const auto running = tasks_.add(api::Task::Kind::backup, "");
  running->begin();
  std::string first;
  for (std::size_t i = 0; i <= Tasks::kMostEnded; ++i) {
    const auto job = tasks_.add(api::Task::Kind::prune, "");
    first = first.empty() ? job->id() : first;
    job->succeed({});
  }

  EXPECT_EQ(tasks_.list().size(), Tasks::kMostEnded + 1);
  EXPECT_FALSE(tasks_.find(first)) << "the oldest that is over";
  EXPECT_TRUE(tasks_.find(running->id()));
  EXPECT_EQ(tasks_.list().back().id, running->id()) << "newest first";
}

}  // namespace
}  // namespace keyrewind::daemon
