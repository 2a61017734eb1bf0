// On real servers: what a throw-away server makes of an AOF.

#include "aof/layout.h"
#include "base/error.h"
#include "restore/rdb_maker.h"
#include "support/keyrewind.h"
#include "support/redis_server.h"
#include "support/resp_client.h"
#include "support/temp_dir.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <initializer_list>
#include <string>
#include <string_view>

namespace keyrewind::restore {
namespace {

namespace fs = std::filesystem;
using keyrewind::test::RedisServer;
using testing::HasSubstr;

class RdbMakerOn : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    keyrewind::test::require_server(GetParam());
    if (IsSkipped() || HasFatalFailure()) {
      return;
    }
    // A long path, as volumes have them, in which a socket could not be bound.
    work_ = folder_ / std::string(100, 'd');
    fs::create_directories(work_ / names_.folder);
    RedisServer source({.program = GetParam()});
    source.cli({"SET", "from the base", "1"});
    source.save();
    fs::rename(source.dir() / "dump.rdb", work_ / names_.folder / names_.base_file());
    keyrewind::test::write_text(work_ / names_.folder / names_.manifest_file(),
                                aof::manifest_of(names_));
  }

  void append(std::initializer_list<std::string_view> command) {
    keyrewind::test::append_command(increment_, command);
  }

  void make(std::uint64_t databases = 16) {
    keyrewind::test::write_text(work_ / names_.folder / names_.increment_file(), increment_);
    make_rdb({keyrewind::test::find_server(GetParam())->string()}, work_, databases, {});
  }

  Error refusal(std::uint64_t databases = 16) {
    try {
      make(databases);
      ADD_FAILURE() << "made";
    } catch (const Error& error) {
      return error;
    }
    return {ErrorKind::internal, "made"};
  }

  const fs::path& work() const { return work_; }

 private:
  const aof::Names names_;
  keyrewind::test::TempDir folder_;
  fs::path work_;
  std::string increment_;
};

TEST_P(RdbMakerOn, MakesAnRdbOfBaseAndIncrement) {
  append({"SELECT", "20"});
  append({"SET", "from the increment", "2"});

  make(32);

  RedisServer fresh({.program = GetParam(), .args = {"--databases", "32"}, .dir = work()});
  EXPECT_EQ(fresh.cli({"GET", "from the base"}), "1");
  fresh.cli({"SELECT", "20"});
  EXPECT_EQ(fresh.cli({"GET", "from the increment"}), "2");
}

TEST_P(RdbMakerOn, KeepsKeysWhoseTimeIsOverAsLongAsTheLogNeedsThem) {
  append({"SELECT", "0"});
  append({"SET", "counter", "1", "PXAT", "1500000000000"});
  append({"INCR", "counter"});
  append({"PERSIST", "counter"});
  append({"SET", "over", "1", "PXAT", "1500000000000"});

  make();

  RedisServer fresh({.program = GetParam(), .dir = work()});
  EXPECT_EQ(fresh.cli({"GET", "counter"}), "2");
  EXPECT_EQ(fresh.info("rdb_last_load_keys_expired"), "1");
}

TEST_P(RdbMakerOn, RefusesToLeaveOutWhatTheServerRefuses) {
  append({"SELECT", "0"});
  append({"LPUSH", "from the base", "wrong type"});

  const Error error = refusal();

  EXPECT_EQ(error.kind(), ErrorKind::incompatible);
  EXPECT_THAT(error.what(), HasSubstr("refused 1 commands"));
  EXPECT_FALSE(fs::exists(work() / "dump.rdb"));
}

TEST_P(RdbMakerOn, RefusesADatabaseThatIsNotThere) {
  append({"SELECT", "20"});
  append({"SET", "in another database", "2"});

  EXPECT_EQ(refusal(16).kind(), ErrorKind::incompatible);
}

TEST_P(RdbMakerOn, SaysTheServersWordsOnACommandThatItDoesNotKnow) {
  append({"SELECT", "0"});
  append({"FROMTHEFUTURE", "1"});

  const Error error = refusal();

  EXPECT_EQ(error.kind(), ErrorKind::corrupt);
  EXPECT_THAT(error.what(), HasSubstr("FROMTHEFUTURE"));
}

TEST_P(RdbMakerOn, NeverDropsATruncatedEnd) {
  append({"SELECT", "0"});
  append({"SET", "whole", "2"});
  append({"MULTI"});
  append({"SET", "in a transaction without an end", "2"});

  EXPECT_EQ(refusal().kind(), ErrorKind::corrupt);
}

INSTANTIATE_TEST_SUITE_P(Servers, RdbMakerOn, testing::ValuesIn(keyrewind::test::all_servers()),
                         [](const auto& server) {
                           return keyrewind::test::to_test_name(server.param);
                         });

}  // namespace
}  // namespace keyrewind::restore
