#include "s3/http_date.h"

#include <gtest/gtest.h>

namespace keyrewind::s3 {
namespace {

/// RFC 9110, section 5.6.7.
TEST(HttpDate, IsReadAsTheRfcWritesIt) {
  EXPECT_EQ(from_http_date("Sun, 06 Nov 1994 08:49:37 GMT"), from_rfc3339("1994-11-06T08:49:37Z"));
  EXPECT_EQ(from_http_date("Thu, 29 Feb 2024 23:59:59 GMT"), from_rfc3339("2024-02-29T23:59:59Z"));
}

TEST(HttpDate, IsNothingElse) {
  for (const char* text :
       {"", "now", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 CET",
        "Sun, 06 Nov 1994 24:49:37 GMT", "Sun, 31 Feb 1994 08:49:37 GMT",
        "Sun, 06 Non 1994 08:49:37 GMT", "Sun, xx Nov 1994 08:49:37 GMT"}) {
    EXPECT_EQ(from_http_date(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace keyrewind::s3
