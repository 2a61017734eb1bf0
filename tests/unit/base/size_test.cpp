#include "base/size.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>

namespace keyrewind {
namespace {

constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();

TEST(Size, IsReadInAnyUnit) {
  EXPECT_EQ(parse_size("0"), 0U);
  EXPECT_EQ(parse_size("1000"), 1000U);
  EXPECT_EQ(parse_size("1000B"), 1000U);
  EXPECT_EQ(parse_size("64MiB"), 64U << 20);
  EXPECT_EQ(parse_size("64 MiB"), 64U << 20);
  EXPECT_EQ(parse_size("64Mi"), 64U << 20);
  EXPECT_EQ(parse_size("2kB"), 2000U);
  EXPECT_EQ(parse_size("2KB"), 2000U);
  EXPECT_EQ(parse_size("2KiB"), 2048U);
  EXPECT_EQ(parse_size("3GB"), 3'000'000'000U);
  EXPECT_EQ(parse_size("3TiB"), std::uint64_t{3} << 40);
  EXPECT_EQ(parse_size("18446744073709551615"), kMost);
}

TEST(Size, IsNothingElse) {
  for (const char* text : {"", " ", "MiB", "-1", "+1", "1.5GiB", "1e3", "64mib", "64M", "64MIB",
                           "64MiB ", " 64MiB", "64  MiB", "64MiBs", "0x10", "1,000",
                           "18446744073709551616", "16777216TiB", "18446744073709551615KiB"}) {
    EXPECT_EQ(parse_size(text), std::nullopt) << text;
  }
}

TEST(Size, IsWrittenSoThatItReadsBackExactly) {
  EXPECT_EQ(to_size(64U << 20), "64MiB");
  EXPECT_EQ(to_size(1000), "1000");
  EXPECT_EQ(to_size(0), "0");
  for (const std::uint64_t bytes :
       {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{1023}, std::uint64_t{1024},
        std::uint64_t{1536}, std::uint64_t{1} << 40, std::uint64_t{5} << 50, kMost}) {
    EXPECT_EQ(parse_size(to_size(bytes)), bytes);
  }
}

TEST(HumanSize, HasOneDigitAfterThePoint) {
  EXPECT_EQ(to_human_size(0), "0 B");
  EXPECT_EQ(to_human_size(512), "512 B");
  EXPECT_EQ(to_human_size(1023), "1023 B");
  EXPECT_EQ(to_human_size(1024), "1.0 KiB");
  EXPECT_EQ(to_human_size(1'181'116'006), "1.1 GiB");
  EXPECT_EQ(to_human_size(std::uint64_t{5000} << 40), "5000.0 TiB");
}

}  // namespace
}  // namespace keyrewind
