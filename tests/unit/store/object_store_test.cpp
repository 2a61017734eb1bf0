#include "store/object_store.h"

#include <gtest/gtest.h>

namespace keyrewind::store {
namespace {

TEST(Name, KeepsToItsAlphabet) {
  for (const char* name :
       {"a", "a/b", "keyrewind.json", "A-Z_0=9", "...", ".hidden", "a..b/c", "a/.../b"}) {
    EXPECT_TRUE(is_valid_name(name)) << name;
  }
}

TEST(Name, LeadsNowhereElse) {
  for (const char* name : {"", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/..", "a/../b",
                           "a/./b", "a b", "a\\b", "a+b", "\xc3\xa4", "a\n"}) {
    EXPECT_FALSE(is_valid_name(name)) << name;
  }
  EXPECT_FALSE(is_valid_name(std::string("a\0b", 3)));
}

}  // namespace
}  // namespace keyrewind::store
