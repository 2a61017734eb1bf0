#include "cli/ordinals.h"

#include "base/error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <optional>
#include <string>

namespace keyrewind::cli {
namespace {

using testing::ElementsAre;

TEST(Ordinals, AreNumbersAndRanges) {
  EXPECT_THAT(parse_ordinals("0"), ElementsAre(0));
  EXPECT_THAT(parse_ordinals("4,0"), ElementsAre(0, 4));
  EXPECT_THAT(parse_ordinals("0-2,5"), ElementsAre(0, 1, 2, 5));
}

TEST(Ordinals, RefuseEverythingElse) {
  for (const char* text : {"", ",", "a", "-1", "2-1", "1-", "0-99999999", "0 1", "1.5"}) {
    SCOPED_TRACE(text);
    EXPECT_THROW(parse_ordinals(text), Error);
  }
}

/// The variables that tell a pod's name, without those of the machine that the test runs on.
class OrdinalOfPod : public testing::Test {
 protected:
  static void set(const char* name, const char* value) { setenv(name, value, 1); }

 private:
  void SetUp() override { clear(); }
  void TearDown() override { clear(); }
  static void clear() {
    for (const char* name : {"KEYREWIND_POD_INDEX", "POD_NAME", "HOSTNAME"}) {
      unsetenv(name);
    }
  }
};

TEST_F(OrdinalOfPod, IsTheEndOfItsName) {
  EXPECT_EQ(ordinal_of_pod(), std::nullopt);
  set("HOSTNAME", "orders-primary-3");
  EXPECT_EQ(ordinal_of_pod(), 3U);
  set("POD_NAME", "orders-0");
  EXPECT_EQ(ordinal_of_pod(), 0U);
  set("KEYREWIND_POD_INDEX", "7");
  EXPECT_EQ(ordinal_of_pod(), 7U);
}

TEST_F(OrdinalOfPod, IsNotMadeUp) {
  set("POD_NAME", "orders-6d4cf56db6-x7k2p");
  EXPECT_EQ(ordinal_of_pod(), std::nullopt);
  set("KEYREWIND_POD_INDEX", "first");
  EXPECT_THROW(ordinal_of_pod(), Error);
}

}  // namespace
}  // namespace keyrewind::cli
