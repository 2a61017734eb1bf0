#include "rdb/crc64.h"

#include <gtest/gtest.h>

#include <string>

namespace keyrewind::rdb {
namespace {

TEST(Crc64, GivesTheCheckValueOfRedis) {
  EXPECT_EQ(crc64(as_bytes("123456789")), 0xe9c6d914c4b8d9caU);
}

TEST(Crc64, OfNothingIsWhatItWasBefore) {
  EXPECT_EQ(crc64({}), 0U);
  EXPECT_EQ(crc64({}, 42), 42U);
}

TEST(Crc64, GoesOnFromThePieceBefore) {
  const std::string text(1000, 'x');
  const ByteView whole = as_bytes(text);

  for (std::size_t split = 0; split <= whole.size(); split += 7) {
    EXPECT_EQ(crc64(whole.subspan(split), crc64(whole.first(split))), crc64(whole));
  }
}

}  // namespace
}  // namespace keyrewind::rdb
