#include "rdb/summary.h"

#include <gtest/gtest.h>

namespace keyrewind::rdb {
namespace {

TEST(ValueType, HasANameThatLeadsBackToIt) {
  for (std::size_t i = 0; i < kValueTypes; ++i) {
    const auto type = static_cast<ValueType>(i);
    EXPECT_EQ(value_type_from(to_string(type)), type);
  }
  EXPECT_EQ(to_string(ValueType::zset), "zset");
  EXPECT_EQ(to_string(ValueType::module), "module");
}

TEST(ValueType, IsNothingForOtherNames) {
  EXPECT_EQ(value_type_from(""), std::nullopt);
  EXPECT_EQ(value_type_from("String"), std::nullopt);
}

TEST(Summary, AddsUpItsDatabases) {
  Summary summary;
  summary.databases[0] = {.keys = 3, .keys_with_ttl = 1, .by_type = {2, 1}};
  summary.databases[7] = {.keys = 4, .keys_with_ttl = 2, .by_type = {0, 3, 0, 0, 0, 0, 1}};

  EXPECT_EQ(summary.keys(), 7U);
  EXPECT_EQ(summary.keys_with_ttl(), 3U);
  EXPECT_EQ(summary.by_type(), (std::array<std::uint64_t, kValueTypes>{2, 4, 0, 0, 0, 0, 1}));
}

}  // namespace
}  // namespace keyrewind::rdb
