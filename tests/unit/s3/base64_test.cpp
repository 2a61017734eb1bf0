#include "s3/base64.h"

#include <gtest/gtest.h>

namespace keyrewind::s3 {
namespace {

/// RFC 4648, section 10.
TEST(Base64, IsWhatTheRfcSays) {
  EXPECT_EQ(to_base64(as_bytes("")), "");
  EXPECT_EQ(to_base64(as_bytes("f")), "Zg==");
  EXPECT_EQ(to_base64(as_bytes("fo")), "Zm8=");
  EXPECT_EQ(to_base64(as_bytes("foo")), "Zm9v");
  EXPECT_EQ(to_base64(as_bytes("foob")), "Zm9vYg==");
  EXPECT_EQ(to_base64(as_bytes("fooba")), "Zm9vYmE=");
  EXPECT_EQ(to_base64(as_bytes("foobar")), "Zm9vYmFy");
  EXPECT_EQ(to_base64(as_bytes("\xfb\xff\xbf")), "+/+/");
}

}  // namespace
}  // namespace keyrewind::s3
