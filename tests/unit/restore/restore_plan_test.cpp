#include "restore/restore_plan.h"

#include "base/error.h"
#include "restore/rdb_maker.h"
#include "support/temp_dir.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace keyrewind::restore {
namespace {

namespace fs = std::filesystem;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

const std::string kLineage(40, 'a');

/// A source of Redis 7.0.15 with a snapshot at 1000 and log up to 1600, in two segments of three
/// frames each, and a PATH with only the servers that a test puts there.
class PlanOfAMoment : public testing::Test {
 protected:
  PlanOfAMoment() : path_(getenv("PATH") == nullptr ? "" : getenv("PATH")) {
    setenv("PATH", folder_.path().c_str(), 1);
    catalog::Snapshot snapshot;
    snapshot.shard = "0";
    snapshot.lineage = kLineage;
    snapshot.offset = 1000;
    snapshot.object.bytes = 5000;
    snapshot.rdb.magic = "REDIS";
    snapshot.rdb.version = 10;
    snapshot.rdb.bytes = 20000;
    snapshot.rdb.databases[0].keys = 1;
    manifest_.snapshots = {snapshot};
    manifest_.servers["0"].product = "redis";
    manifest_.servers["0"].version = "7.0.15";
    point_ = own_moment({}, snapshot);
    point_.window.end = 1600;
    for (const std::int64_t begin : {1000, 1300}) {
      catalog::Segment segment;
      segment.begin = begin;
      segment.end = begin + 300;
      segment.frames.assign(3, {.stored_bytes = 40, .raw_bytes = 100, .sha256 = {}});
      point_.window.segments.push_back(segment);
    }
    point_.offset = 1450;
    request_.target = folder_ / "data";
  }

  ~PlanOfAMoment() override { setenv("PATH", path_.c_str(), 1); }

  /// A program that says of itself what a server does.
  std::string add_server(const std::string& name, const std::string& banner) const {
    const fs::path program = folder_ / name;
    std::ofstream(program) << "#!/bin/sh\necho '" << banner << "'\n";
    fs::permissions(program, fs::perms::owner_all);
    return program.string();
  }

  std::string add_redis(const std::string& version) const {
    return add_server("redis-server", "Redis server v=" + version + " sha=00000000:0");
  }

  void configure(const std::string& text) {
    std::ofstream(folder_ / "server.conf") << text;
    request_.server_config = {folder_ / "server.conf"};
  }

  RestorePlan plan() const { return plan_restore(request_, manifest_, point_); }

  Error refusal() const {
    try {
      plan();
    } catch (const Error& error) {
      return error;
    }
    return {ErrorKind::internal, "not refused"};
  }

  keyrewind::test::TempDir folder_;
  const std::string path_;
  catalog::Manifest manifest_;
  RestorePoint point_;
  RestoreRequest request_;
};

TEST_F(PlanOfAMoment, CountsWhatIsNeededOfTheLog) {
  const RestorePlan plan = this->plan();

  EXPECT_EQ(plan.segments, 2);
  EXPECT_EQ(plan.log_bytes, 450);
  EXPECT_EQ(plan.bytes, 20450);
  EXPECT_EQ(plan.stored_bytes, 5000 + 5 * 40);
  EXPECT_GE(plan.estimated_seconds, 1);
}

TEST_F(PlanOfAMoment, CountsNoLogWhereNoneIsNeeded) {
  point_.offset = 1000;

  const RestorePlan plan = this->plan();

  EXPECT_EQ(plan.segments, 0);
  EXPECT_EQ(plan.stored_bytes, 5000);
  EXPECT_EQ(plan.layout, Layout::both);
  EXPECT_FALSE(plan.maker);
}

TEST_F(PlanOfAMoment, IsBothWithAServerLikeTheSourceInPath) {
  add_redis("7.0.4");

  const RestorePlan plan = this->plan();

  EXPECT_EQ(plan.layout, Layout::both);
  ASSERT_TRUE(plan.maker);
  EXPECT_EQ(plan.maker->command, "redis-server");
}

TEST_F(PlanOfAMoment, IsAnAofWithANoteWithoutAUsableServer) {
  for (const std::string version : {"", "7.2.0", "8.0.2"}) {
    if (!version.empty()) {
      add_redis(version);
    }
    const RestorePlan plan = this->plan();
    EXPECT_EQ(plan.layout, Layout::aof) << version;
    EXPECT_FALSE(plan.maker);
    EXPECT_THAT(plan.notes, Contains(HasSubstr("must run with appendonly yes"))) << version;
  }
}

TEST_F(PlanOfAMoment, TakesNoServerThatIsNewerThanTheTarget) {
  manifest_.servers["0"].version = "7.2.4";
  request_.server = rdb::parse_server_version("redis 7.0");
  add_redis("7.2.4");

  EXPECT_EQ(plan().layout, Layout::aof);
}

TEST_F(PlanOfAMoment, TakesTheServerThatWasNamedWhateverItsVersion) {
  request_.program = ServerProgram{add_redis("8.0.2")};
  request_.server = rdb::parse_server_version("redis 8.0.2");

  const RestorePlan plan = this->plan();

  EXPECT_EQ(plan.layout, Layout::both);
  EXPECT_EQ(plan.maker->command, request_.program->command);
}

TEST_F(PlanOfAMoment, RefusesANamedServerThatIsTooOldForTheSnapshot) {
  request_.program = ServerProgram{add_redis("6.2.0")};

  EXPECT_EQ(refusal().kind(), ErrorKind::incompatible);
}

TEST_F(PlanOfAMoment, RefusesAnRdbThatNobodyCanMakeAndSaysWhatToDo) {
  for (const Layout layout : {Layout::rdb, Layout::both}) {
    request_.layout = layout;
    const Error error = refusal();
    EXPECT_EQ(error.kind(), ErrorKind::config);
    EXPECT_THAT(error.what(), HasSubstr("--server"));
    EXPECT_THAT(error.what(), HasSubstr("--layout aof"));
  }
  request_.layout = Layout::aof;
  EXPECT_EQ(plan().layout, Layout::aof);
}

TEST_F(PlanOfAMoment, FollowsTheServersConfiguration) {
  configure("appendonly yes\n");
  EXPECT_EQ(plan().layout, Layout::aof);
  EXPECT_THAT(plan().notes, Not(Contains(HasSubstr("must run with"))));

  configure("appendonly no\n");
  EXPECT_EQ(refusal().kind(), ErrorKind::config);
  add_redis("7.0.15");
  EXPECT_EQ(plan().layout, Layout::rdb);
  EXPECT_TRUE(plan().maker);
}

TEST_F(PlanOfAMoment, ObjectsToATargetThatMayLackCommands) {
  struct Case {
    std::string source_product;
    std::string source_version;
    std::string target;
    bool objects;
  };
  for (const Case& test :
       {Case{"redis", "7.2.4", "redis 7.0", true}, Case{"redis", "7.2.4", "redis 7.2.1", false},
        Case{"redis", "7.2.4", "redis 8.0", false}, Case{"redis", "7.2.4", "valkey 8.0", false},
        Case{"redis", "7.4.0", "valkey 8.1", true}, Case{"valkey", "8.1.1", "valkey 8.0", true},
        Case{"valkey", "8.0.1", "redis 8.0", true}}) {
    manifest_.servers["0"].product = test.source_product;
    manifest_.servers["0"].version = test.source_version;
    request_.server = rdb::parse_server_version(test.target);
    const auto objections = plan().objections;
    EXPECT_EQ(!objections.empty(), test.objects) << test.source_version << " to " << test.target;
  }
  point_.offset = 1000;
  EXPECT_THAT(plan().objections, IsEmpty());
}

TEST_F(PlanOfAMoment, ObjectsToFewerDatabasesThanTheSourceHas) {
  manifest_.servers["0"].config["databases"] = "32";

  EXPECT_THAT(plan().notes, Contains(HasSubstr("the source has 32 databases")));
  configure("databases 20\n");
  EXPECT_THAT(plan().objections, Contains(HasSubstr("32 databases, the target 20")));
  configure("databases 32\n");
  EXPECT_THAT(plan().objections, IsEmpty());
}

TEST_F(PlanOfAMoment, CarriesTheNotesOfItsMoment) {
  point_.notes = {"nobody was attached"};

  EXPECT_THAT(plan().notes, Contains("nobody was attached"));
}

TEST_F(PlanOfAMoment, KnowsTheSourceFromTheRdbIfNobodyElseSays) {
  catalog::Snapshot snapshot = manifest_.snapshots.front();
  manifest_.servers.clear();
  EXPECT_FALSE(source_server(manifest_, snapshot));
  snapshot.rdb.aux["valkey-ver"] = "8.1.1";
  EXPECT_EQ(rdb::to_string(*source_server(manifest_, snapshot)), "Valkey 8.1.1");
  snapshot.rdb.aux = {{"redis-ver", "7.2.4"}};
  EXPECT_EQ(rdb::to_string(*source_server(manifest_, snapshot)), "Redis 7.2.4");
}

TEST_F(PlanOfAMoment, WantsEnoughDatabasesForTheLog) {
  catalog::Snapshot snapshot = manifest_.snapshots.front();
  EXPECT_EQ(databases_of(manifest_, snapshot), 16);
  snapshot.rdb.databases[40].keys = 1;
  EXPECT_EQ(databases_of(manifest_, snapshot), 41);
  manifest_.servers["0"].config["databases"] = "64";
  EXPECT_EQ(databases_of(manifest_, snapshot), 64);
  manifest_.servers["0"].config.clear();
  manifest_.servers["0"].missing = {"config: this user may not run CONFIG GET"};
  EXPECT_EQ(databases_of(manifest_, snapshot), 1024);
}

}  // namespace
}  // namespace keyrewind::restore
