#include "catalog/names.h"

#include "sample.h"
#include "store/object_store.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

namespace keyrewind::catalog::names {
namespace {

const std::string kLineage(40, 'a');
const std::string kId = "20261120T130221Z-0a1b2c";
const SegmentName kSegment{kLineage, 100, 67890, test::sample_time(), 2};

// What stands in repositories: none of these may ever change.
TEST(Names, AreThoseOfTheFormat) {
  EXPECT_EQ(repository(), "keyrewind.json");
  EXPECT_EQ(source("orders"), "sources/orders/");
  EXPECT_EQ(source_record("orders"), "sources/orders/source.json");
  EXPECT_EQ(commits("orders"), "sources/orders/commits/");
  EXPECT_EQ(commit("orders", 7, kId),
            "sources/orders/commits/0000000007-20261120T130221Z-0a1b2c.json");
  EXPECT_EQ(backups("orders"), "sources/orders/backups/");
  EXPECT_EQ(manifest("orders", kId),
            "sources/orders/backups/20261120T130221Z-0a1b2c/manifest.json");
  EXPECT_EQ(shards("orders"), "sources/orders/shards/");
  EXPECT_EQ(snapshot("orders", "0", kLineage, 12345, kId, false),
            "sources/orders/shards/0/lineages/" + kLineage +
                "/snapshots/00000000000000012345-20261120T130221Z-0a1b2c.rdb.zst");
  EXPECT_EQ(snapshot("orders", "0", kLineage, 12345, kId, true),
            snapshot("orders", "0", kLineage, 12345, kId, false) + ".age");
  EXPECT_EQ(details("orders", kId),
            "sources/orders/backups/20261120T130221Z-0a1b2c/details.json.age");
  EXPECT_EQ(writer_lock("orders"), "sources/orders/writer");
  EXPECT_EQ(lineages("orders", "0"), "sources/orders/shards/0/lineages/");
  EXPECT_EQ(segment("orders", "0", kSegment),
            "sources/orders/shards/0/lineages/" + kLineage +
                "/log/00000000000000000100-00000000000000067890-20261120T130221Z-2.aof.zst");
  EXPECT_EQ(event("orders", "0", kLineage, kId), "sources/orders/shards/0/lineages/" + kLineage +
                                                     "/events/20261120T130221Z-0a1b2c.json");
  EXPECT_EQ(agent_lock("orders", "0"), "sources/orders/shards/0/agent");
}

TEST(Names, AreNamesOfObjects) {
  for (const std::string& name :
       {repository(), source_record("a.b_c-D"), commit("orders", ~std::uint64_t{0}, kId),
        manifest("orders", kId), snapshot("orders", "0", kLineage, 0, kId, true),
        details("orders", kId), writer_lock("orders"), segment("orders", "0", kSegment),
        event("orders", "0", kLineage, kId), agent_lock("orders", "0")}) {
    EXPECT_TRUE(store::is_valid_name(name)) << name;
  }
}

TEST(CommitName, IsReadBack) {
  EXPECT_EQ(parse_commit("orders", commit("orders", 7, kId)), (CommitName{7, kId}));
  EXPECT_EQ(parse_commit("orders", commit("orders", 12345678901, kId)),
            (CommitName{12345678901, kId}));
}

TEST(CommitName, IsNoOther) {
  const std::string folder = commits("orders");
  for (const std::string& name :
       {folder, folder + ".json", folder + "0000000001.json", folder + "0000000001-.json",
        folder + "1-id.json", folder + "000000000x-id.json", folder + "0000000001-id",
        folder + "0000000001-a/b.json", folder + "-000000001-id.json",
        folder + "99999999999999999999999-id.json", commit("users", 1, kId)}) {
    EXPECT_EQ(parse_commit("orders", name), std::nullopt) << name;
  }
}

TEST(IdOfName, IsReadBack) {
  EXPECT_EQ(id_of_manifest("orders", manifest("orders", kId)), kId);
  EXPECT_EQ(id_of_details("orders", details("orders", kId)), kId);
  for (const bool encrypted : {false, true}) {
    EXPECT_EQ(id_of_snapshot("orders", snapshot("orders", "0", kLineage, 12345, kId, encrypted)),
              kId);
  }
}

TEST(IdOfName, IsNothingForWhatLaterVersionsMayAdd) {
  const std::string lineage = shards("orders") + "0/lineages/" + kLineage;
  for (const std::string& name :
       {lineage + "/log/00000000000000012345-id.aof.zst", lineage + "/events/1.json",
        lineage + "/snapshots/00000000000000012345-id.rdb.zst.age.age",
        lineage + "/snapshots/00000000000000012345-id.rdb.age",
        lineage + "/snapshots/12345-id.rdb.zst", lineage + "/snapshots/x.rdb.zst",
        lineage + "/snapshots/more/00000000000000012345-id.rdb.zst",
        shards("orders") + "0/other/" + kLineage + "/snapshots/00000000000000012345-id.rdb.zst",
        shards("users") + "0/lineages/" + kLineage + "/snapshots/00000000000000012345-id.rdb.zst",
        backups("orders") + "id/manifest.json"}) {
    EXPECT_EQ(id_of_snapshot("orders", name), std::nullopt) << name;
  }
  for (const std::string& name :
       {backups("orders") + "id/report.json", backups("orders") + "manifest.json",
        backups("orders") + "a/b/manifest.json", manifest("users", kId), details("users", kId),
        backups("orders") + "id/details.json"}) {
    EXPECT_EQ(id_of_manifest("orders", name), std::nullopt) << name;
    EXPECT_EQ(id_of_details("orders", name), std::nullopt) << name;
  }
}

TEST(SegmentName, IsReadBackToTheSecond) {
  SegmentName expected = kSegment;
  expected.last = std::chrono::floor<std::chrono::seconds>(kSegment.last);

  EXPECT_EQ(parse_segment("orders", "0", segment("orders", "0", kSegment)), expected);
  expected.begin = 0;
  expected.end = std::numeric_limits<std::int64_t>::max();
  expected.level = kMaxLevel;
  EXPECT_EQ(parse_segment("orders", "0", segment("orders", "0", expected)), expected);
  expected.encrypted = true;
  EXPECT_EQ(parse_segment("orders", "0", segment("orders", "0", expected)), expected);
  expected.generation = 12;
  EXPECT_EQ(parse_segment("orders", "0", segment("orders", "0", expected)), expected);
}

TEST(SegmentName, OfAnEncryptedOneGivesThatOfItsPlainIndex) {
  SegmentName name = kSegment;
  name.generation = 3;
  name.encrypted = true;
  const std::string encrypted = segment("orders", "0", name);
  EXPECT_TRUE(encrypted.ends_with("20261120T130221Z-2-3.aof.zst.age"));
  const std::string index = segment_index(encrypted);
  EXPECT_TRUE(index.ends_with("20261120T130221Z-2-3.index"));
  EXPECT_EQ(segment_of_index(index), encrypted);
  EXPECT_TRUE(is_of_agent(index));
  EXPECT_EQ(parse_segment("orders", "0", index), std::nullopt);
  EXPECT_EQ(segment_of_index(encrypted), std::nullopt);
}

TEST(SegmentName, IsNoOther) {
  const std::string name = segment("orders", "0", kSegment);
  EXPECT_EQ(parse_segment("users", "0", name), std::nullopt);
  EXPECT_EQ(parse_segment("orders", "1", name), std::nullopt);
  for (std::size_t length = 0; length < name.size(); ++length) {
    EXPECT_EQ(parse_segment("orders", "0", name.substr(0, length)), std::nullopt) << length;
  }
  const auto with = [&](std::string_view old, std::string_view other) {
    std::string changed = name;
    return changed.replace(changed.find(old), old.size(), other);
  };
  for (const std::string& other : {name + ".agf",
                                   name + ".age.age",
                                   with("-2.aof", "-2-0.aof"),
                                   with("-2.aof", "-2-01.aof"),
                                   with("-2.aof", "-2-.aof"),
                                   with("-2.aof", "-2-x.aof"),
                                   with("-2.aof", "-2--1.aof"),
                                   with("/log/", "/snapshots/"),
                                   with("/log/", "/log//"),
                                   with("aaaa/", "aaax/"),
                                   with("aaaa/", "aaaA/"),
                                   with("-2.aof", "-x.aof"),
                                   with("-2.aof", "-12.aof"),
                                   with("-2.aof", "-.aof"),
                                   with("20261120T", "20261320T"),
                                   with("130221Z", "130260Z"),
                                   with("130221Z", "1302212"),
                                   with("20261120T", "20261120t"),
                                   with("00000000000000000100", "-0000000000000000100"),
                                   with("00000000000000000100", "00000000000000067890"),
                                   with("00000000000000000100", "99999999999999999999"),
                                   with("00000000000000000100", "0000000000000000010x"),
                                   with("00000000000000067890-", "000000000000000067890-"),
                                   with("-00000000000000067890", "_00000000000000067890")}) {
    EXPECT_EQ(parse_segment("orders", "0", other), std::nullopt) << other;
  }
}

TEST(EventName, IsReadBack) {
  EXPECT_EQ(parse_event("orders", "0", event("orders", "0", kLineage, kId)),
            (EventName{kLineage, kId}));
}

TEST(EventName, IsNoOther) {
  const std::string folder = lineages("orders", "0") + kLineage;
  for (const std::string& name :
       {folder + "/events/.json", folder + "/events/a/b.json", folder + "/events/a",
        folder + "/log/a.json", folder + "x/events/a.json", folder + "/events/-.json",
        event("users", "0", kLineage, kId), event("orders", "1", kLineage, kId),
        event("orders", "0", "short", kId)}) {
    EXPECT_EQ(parse_event("orders", "0", name), std::nullopt) << name;
  }
}

TEST(Names, TellWhatIsTheAgents) {
  EXPECT_TRUE(is_of_agent(segment("orders", "0", kSegment)));
  EXPECT_TRUE(is_of_agent(event("orders", "0", kLineage, kId)));
  for (const std::string& name :
       {repository(), source_record("orders"), commit("orders", 7, kId), manifest("orders", kId),
        snapshot("orders", "0", kLineage, 12345, kId, false), lineages("orders", "0") + "log/a",
        "x" + segment("orders", "0", kSegment), std::string()}) {
    EXPECT_FALSE(is_of_agent(name)) << name;
  }
}

TEST(Names, OfLocksHoldsAndTrimsAreReadBack) {
  EXPECT_EQ(names::lock("orders", kId, "x"),
            "sources/orders/locks/" + std::string(kId) + "/x.json");
  EXPECT_EQ(parse_lock("orders", names::lock("orders", kId, "x")), (LockName{kId, "x"}));
  EXPECT_EQ(id_of_hold("orders", hold("orders", kId)), kId);
  EXPECT_EQ(parse_trim("orders", "0", trim("orders", "0", kLineage, 77)), (TrimName{kLineage, 77}));
  for (const std::string& name :
       {names::lock("users", kId, "x"), locks("orders") + "x.json", locks("orders") + "a/b/c.json",
        locks("orders") + "/x.json", hold("users", kId), holds("orders") + "a/b.json",
        holds("orders") + ".json", trim("users", "0", kLineage, 7),
        trim("orders", "1", kLineage, 7), trim("orders", "0", "short", 7),
        trims("orders", "0", kLineage) + "7.json",
        trims("orders", "0", kLineage) + "-0000000000000000007.json"}) {
    EXPECT_EQ(parse_lock("orders", name), std::nullopt) << name;
    EXPECT_EQ(id_of_hold("orders", name), std::nullopt) << name;
    EXPECT_EQ(parse_trim("orders", "0", name), std::nullopt) << name;
  }
}

TEST(Names, TellWhatNoCopyWants) {
  for (const std::string& name :
       {lease("orders", "0"), hold("orders", kId), trim("orders", "0", kLineage, 7)}) {
    EXPECT_TRUE(is_of_one_repository("orders", name)) << name;
    EXPECT_FALSE(is_of_one_repository("users", name)) << name;
  }
  for (const std::string& name :
       {names::lock("orders", kId, "x"), commit("orders", 7, kId), manifest("orders", kId),
        event("orders", "0", kLineage, kId), segment("orders", "0", kSegment)}) {
    EXPECT_FALSE(is_of_one_repository("orders", name)) << name;
  }
}

TEST(SourceName, CanBePartOfAName) {
  for (const char* source : {"orders", "a", "Orders_1.eu-west", "0"}) {
    EXPECT_TRUE(is_valid_source(source)) << source;
  }
  EXPECT_TRUE(is_valid_source(std::string(63, 'a')));
  for (const char* source : {"", ".", "..", "-a", "_a", ".a", "a/b", "a b", "a\n", "\xc3\xa4"}) {
    EXPECT_FALSE(is_valid_source(source)) << source;
  }
  EXPECT_FALSE(is_valid_source(std::string(64, 'a')));
}

}  // namespace
}  // namespace keyrewind::catalog::names
