#include "flow/background.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <thread>

namespace keyrewind::flow {
namespace {

int own_priority() {
  return getpriority(PRIO_PROCESS, static_cast<id_t>(gettid()));
}

TEST(WorkInBackground, LowersThePriorityOfTheCallingThreadOnly) {
  const int before = own_priority();
  int inside = before;

  std::jthread([&] {
    work_in_background();
    inside = own_priority();
  }).join();

  EXPECT_EQ(inside, 19);
  EXPECT_EQ(own_priority(), before);
}

}  // namespace
}  // namespace keyrewind::flow
