#include "base/bytes.h"

#include "base/random.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace keyrewind {
namespace {

TEST(Bytes, AreTextAndBack) {
  const std::string_view text("a\0\xff", 3);

  EXPECT_EQ(as_bytes(text).size(), 3U);
  EXPECT_EQ(as_text(as_bytes(text)), text);
  EXPECT_EQ(as_text({}), "");
}

TEST(Hex, HasTwoLowerCaseDigitsAByte) {
  EXPECT_EQ(to_hex(as_bytes(std::string_view("\x00\x0f\xa5\xff", 4))), "000fa5ff");
  EXPECT_EQ(to_hex({}), "");
}

TEST(RandomHex, DiffersEachTime) {
  EXPECT_EQ(random_hex(16).size(), 32U);
  EXPECT_NE(random_hex(16), random_hex(16));
  EXPECT_EQ(random_hex(16).find_first_not_of("0123456789abcdef"), std::string::npos);
}

}  // namespace
}  // namespace keyrewind
