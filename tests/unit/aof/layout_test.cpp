#include "aof/layout.h"

#include <gtest/gtest.h>

namespace keyrewind::aof {
namespace {

TEST(Manifest, NamesTheBaseAndOneIncrement) {
  EXPECT_EQ(manifest_of({}),
            "file appendonly.aof.1.base.rdb seq 1 type b\n"
            "file appendonly.aof.1.incr.aof seq 1 type i\n");
}

TEST(Manifest, QuotesNamesThatTheServerWouldReadOtherwise) {
  EXPECT_EQ(manifest_of({.stem = "my data.aof"}),
            "file \"my data.aof.1.base.rdb\" seq 1 type b\n"
            "file \"my data.aof.1.incr.aof\" seq 1 type i\n");
  EXPECT_EQ(manifest_of({.stem = "it's"}),
            "file \"it's.1.base.rdb\" seq 1 type b\n"
            "file \"it's.1.incr.aof\" seq 1 type i\n");
}

TEST(Manifest, EscapesWhatQuotesAloneDoNotProtect) {
  EXPECT_EQ(manifest_of({.stem = "a\"b\\c\nd\xc3\xa9"}),
            "file \"a\\\"b\\\\c\\x0ad\\xc3\\xa9.1.base.rdb\" seq 1 type b\n"
            "file \"a\\\"b\\\\c\\x0ad\\xc3\\xa9.1.incr.aof\" seq 1 type i\n");
}

TEST(Names, FollowTheStem) {
  const Names names{.stem = "x.aof"};

  EXPECT_EQ(names.base_file(), "x.aof.1.base.rdb");
  EXPECT_EQ(names.increment_file(), "x.aof.1.incr.aof");
  EXPECT_EQ(names.manifest_file(), "x.aof.manifest");
}

}  // namespace
}  // namespace keyrewind::aof
