#include "rdb/scanner.h"

#include "unit/rdb/dumps.h"
#include "unit/rdb/rdb_builder.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

namespace keyrewind::rdb {
namespace {

using test::RdbBuilder;
using test::scan;
using test::summary_of;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

constexpr std::uint64_t kLargest = std::numeric_limits<std::uint64_t>::max();

/// Why a scan of `rdb` fails; "" if it does not. The same in every piece size, or the test fails.
std::string flaw_of(std::string_view rdb) {
  const auto whole = scan(rdb);
  for (const std::size_t piece : {1U, 2U, 7U}) {
    EXPECT_EQ(test::scan_in_pieces(rdb, piece, piece), whole) << "in pieces of " << piece;
  }
  return test::is_corrupt(whole) ? std::get<std::string>(whole) : "";
}

/// The same for one that is sound.
Summary summary_in_any_pieces(std::string_view rdb) {
  EXPECT_EQ(flaw_of(rdb), "");
  return summary_of(rdb);
}

TEST(Scanner, CountsKeysOfAnEmptyRdb) {
  const Summary summary = summary_of(RdbBuilder("REDIS0011").end());

  EXPECT_EQ(summary.version, 11);
  EXPECT_EQ(summary.bytes, 18U);
  EXPECT_EQ(summary.keys(), 0U);
  EXPECT_TRUE(summary.databases.empty());
  EXPECT_FALSE(summary.opaque());
}

TEST(Scanner, ShowsItsProgressInKeys) {
  RdbBuilder rdb;
  for (int i = 0; i < 100; ++i) {
    rdb.key(0).string("value");
  }
  const std::string whole = rdb.end();

  Scanner scanner;
  EXPECT_EQ(scanner.keys(), 0U);
  scanner.feed(as_bytes(whole).first(9 + 50 * 9 + 8));
  EXPECT_EQ(scanner.keys(), 50U);
  scanner.feed(as_bytes(whole).subspan(9 + 50 * 9 + 8));
  EXPECT_EQ(scanner.keys(), 100U);
}

TEST(Scanner, RefusesAtOnceWhatIsNoRdb) {
  for (const std::string_view text : {"x", "-ERR no", "REDISx", "REDIS00x", "VALKEYx", "REDIX0011",
                                      "VALKEY08x", "redis0011", "$123\r\n"}) {
    Scanner scanner;
    EXPECT_THROW(scanner.feed(as_bytes(text)), Error) << text;
  }
}

TEST(Scanner, SaysAfterHowManyBytesAnRdbEndsThatIsTooShort) {
  EXPECT_EQ(flaw_of(""), "the RDB ends after 0 bytes");
  EXPECT_EQ(flaw_of("REDIS"), "the RDB ends after 5 bytes");
  EXPECT_EQ(flaw_of("REDIS0011\xff"
                    "1234567"),
            "the RDB ends after 17 bytes");
}

TEST(Scanner, ReadsEveryVersionByTheSameRules) {
  EXPECT_EQ(summary_in_any_pieces(RdbBuilder("REDIS0003").key(0).string("v").end()).version, 3);
  EXPECT_EQ(summary_in_any_pieces(RdbBuilder("REDIS9999").key(0).string("v").end()).version, 9999);
  const Summary valkey = summary_in_any_pieces(RdbBuilder("VALKEY123").key(0).string("v").end());
  EXPECT_EQ(valkey.magic, "VALKEY");
  EXPECT_EQ(valkey.version, 123);
  EXPECT_EQ(valkey.keys(), 1U);
}

TEST(Scanner, AppliesAnExpiryToTheNextKeyOnly) {
  RdbBuilder rdb;
  rdb.byte(252).zeros(8).key(0).string("v");
  rdb.key(0).string("v");
  rdb.byte(253).zeros(4).key(2).length(1).string("a");
  rdb.key(2).length(1).string("a");
  rdb.byte(252).zeros(8).byte(248).length(70).key(0).string("v");
  rdb.byte(252).zeros(8).byte(249).byte(5).key(0).string("v");
  rdb.key(0).string("v");

  const Summary summary = summary_in_any_pieces(rdb.end());

  EXPECT_EQ(summary.keys(), 7U);
  EXPECT_EQ(summary.keys_with_ttl(), 4U);
}

TEST(Scanner, ListsOnlyDatabasesWithKeys) {
  RdbBuilder rdb;
  rdb.database(0).byte(251).length(5).length(0);
  rdb.database(3).key(0).string("v");
  rdb.database(70000).key(1).length(0);
  rdb.database(3).key(0).string("v");

  const Summary summary = summary_in_any_pieces(rdb.end());

  ASSERT_EQ(summary.databases.size(), 2U);
  EXPECT_EQ(summary.databases.at(3).keys, 2U);
  EXPECT_EQ(summary.databases.at(70000).keys, 1U);
}

TEST(Scanner, KeepsAuxiliaryFieldsThatAreShort) {
  RdbBuilder rdb;
  rdb.aux("redis-ver", "7.0.15").aux("empty", "");
  rdb.byte(250).string("ctime").byte(0xc2).raw("\x01\x02\x03\x04");
  rdb.byte(250).byte(0xc0).byte(7).string("integer name");
  rdb.aux(std::string(65, 'n'), "long name").aux("long value", std::string(1025, 'v'));
  rdb.aux("just fits", std::string(1024, 'v'));
  rdb.aux("redis-ver", "another");

  const Summary summary = summary_in_any_pieces(rdb.end());

  EXPECT_THAT(summary.aux,
              ElementsAre(Pair("7", "integer name"), Pair("ctime", "67305985"), Pair("empty", ""),
                          Pair("just fits", std::string(1024, 'v')), Pair("redis-ver", "7.0.15")));
}

TEST(Scanner, KeepsAtMost64AuxiliaryFields) {
  RdbBuilder rdb;
  for (int i = 0; i < 1000; ++i) {
    rdb.aux(fmt::format("name-{}", i), "v");
  }

  EXPECT_EQ(summary_in_any_pieces(rdb.end()).aux.size(), 64U);
}

TEST(Scanner, NamesFunctionLibraries) {
  RdbBuilder rdb;
  rdb.byte(245).string("#!lua name=short\nreturn 1");
  rdb.byte(245).string("#!lua name=long\n" + std::string(100'000, '-'));
  rdb.byte(245).string("");
  rdb.byte(245).byte(0xc3).length(3).length(100).raw("abc");

  const Summary summary = summary_in_any_pieces(rdb.end());

  EXPECT_THAT(summary.functions, ElementsAre("short", "long", "?", "?"));
}

TEST(Scanner, NamesNoLibraryWhoseCompressedCodeIsHuge) {
  constexpr std::size_t kStored = (4U << 20U) + 1;
  const Summary summary = summary_of(
      RdbBuilder().byte(245).byte(0xc3).length(kStored).length(16U << 20U).zeros(kStored).end());

  EXPECT_THAT(summary.functions, ElementsAre("?"));
}

TEST(Scanner, CountsModulesByName) {
  constexpr std::uint64_t kId = 0x0123456789abcdefU;
  RdbBuilder rdb;
  rdb.key(7).length(kId).length(1).length(kLargest).length(2).length(5);
  rdb.length(3).zeros(4).length(4).zeros(8).length(5).string("text").length(0);
  rdb.key(7, "other").length(kId).length(0);
  rdb.byte(247).length(0).length(2).length(1).length(5).string("x").length(0);
  rdb.key(0).string("v");

  const Summary summary = summary_in_any_pieces(rdb.end());

  EXPECT_EQ(summary.by_type()[static_cast<std::size_t>(ValueType::module)], 2U);
  EXPECT_THAT(summary.modules, ElementsAre(Pair("AAAAAAAAA", 0U), Pair("ASNFZ4mrz", 2U)));
}

TEST(Scanner, IsNotFooledByAnUnknownModuleItem) {
  const Summary summary = summary_in_any_pieces(RdbBuilder().key(7).length(1).length(6).end());

  EXPECT_EQ(summary.opaque_reason, "the module's item at byte 13 is of the unknown kind 6");
}

TEST(Scanner, FollowsTheEncodingsOfOldServers) {
  RdbBuilder rdb("REDIS0009");
  rdb.key(1).length(2).string("a").byte(0xc1).raw("\x01\x02");
  rdb.key(3).length(5).string("a").byte(3).raw("1.5").string("nan").byte(253);
  rdb.string("inf").byte(254).string("-inf").byte(255).string("empty").byte(0);
  rdb.key(4).length(1).string("f").string("v");
  rdb.key(9).string("zipmap").key(10).string("ziplist").key(12).string("z").key(13).string("h");
  rdb.key(14).length(2).string("ziplist").string("ziplist");
  rdb.key(15).length(1).string("0123456789abcdef").string("listpack");
  rdb.length(3).length(9).length(9).length(1).string("group").length(1).length(2);
  rdb.length(1).zeros(24).length(1).length(1).string("consumer").zeros(8).length(1).zeros(16);

  const Summary summary = summary_in_any_pieces(rdb.end());

  EXPECT_FALSE(summary.opaque()) << summary.opaque_reason;
  EXPECT_EQ(summary.by_type(), (std::array<std::uint64_t, kValueTypes>{0, 3, 0, 2, 3, 1, 0}));
}

TEST(Scanner, TakesTheLargestNumberInAStreamForANumber) {
  RdbBuilder rdb;
  rdb.key(21).length(0);
  for (int i = 0; i < 8; ++i) {
    rdb.length(kLargest);
  }
  rdb.length(1).string("group").length(kLargest).length(kLargest).length(kLargest).length(0);
  rdb.length(1).string("consumer").zeros(16).length(0);

  EXPECT_EQ(summary_in_any_pieces(rdb.end()).opaque_reason, "");
}

TEST(Scanner, ReadsType22AsTheMagicSays) {
  RdbBuilder valkey("VALKEY080");
  valkey.key(22).length(2);
  valkey.string("f").string("v").zeros(8).string("g").string("w").raw(std::string(8, '\xff'));
  RdbBuilder redis("REDIS0012");
  redis.key(22).length(2).length(1).string("f").string("v").length(0).string("g").string("w");

  for (const std::string& rdb : {valkey.end(), redis.end()}) {
    const Summary summary = summary_in_any_pieces(rdb);

    EXPECT_EQ(summary.opaque_reason, "");
    EXPECT_EQ(summary.keys(), 1U);
    EXPECT_EQ(summary.hashes_with_field_ttl, 1U);
    EXPECT_EQ(summary.highest_type, 22);
  }
}

TEST(Scanner, ReadsTheOtherHashesWithFieldTtlOfRedis) {
  RdbBuilder rdb;
  rdb.key(23).string("listpack");
  rdb.key(24).zeros(8).length(1).length(5).string("f").string("v");
  rdb.key(25).zeros(8).string("listpack");

  const Summary summary = summary_in_any_pieces(rdb.end());

  EXPECT_EQ(summary.opaque_reason, "");
  EXPECT_EQ(summary.hashes_with_field_ttl, 3U);
}

TEST(Scanner, ReadsASlotImportOfValkeyOnly) {
  const auto with_import = [](std::string_view magic) {
    RdbBuilder rdb(magic);
    rdb.byte(243).string(std::string(40, 'j')).length(2);
    rdb.length(0).length(5).length(9).length(16383);
    return rdb.key(0).string("v").end();
  };

  EXPECT_EQ(summary_in_any_pieces(with_import("VALKEY080")).keys(), 1U);
  EXPECT_EQ(summary_in_any_pieces(with_import("REDIS0013")).opaque_reason,
            "opcode 243 at byte 9 is not known");
}

TEST(Scanner, IsOpaqueFromAnUnknownTypeOn) {
  const Summary summary = summary_in_any_pieces(
      RdbBuilder("REDIS0013").key(0).string("v").key(27).raw("whatever this is").end());

  EXPECT_EQ(summary.opaque_reason, "value type 27 at byte 14 is not known");
  EXPECT_EQ(summary.checksum, Checksum::valid);
  EXPECT_EQ(summary.bytes, 9U + 5 + 3 + 16 + 9);
}

TEST(Scanner, DoesNotKnowTheTypesOfRedisUnderTheMagicOfValkey) {
  EXPECT_EQ(summary_of(RdbBuilder("VALKEY081").key(24).zeros(30).end()).opaque_reason,
            "value type 24 at byte 9 is not known");
}

TEST(Scanner, TakesAnOpaqueRdbWithoutChecksumIfItEndsAsAnRdbDoes) {
  RdbBuilder rdb;
  rdb.key(27).raw("whatever this is");

  EXPECT_THAT(flaw_of(rdb.sealed_with(0)), HasSubstr("value type 27 at byte 9 is not known"));
  const Summary summary = summary_in_any_pieces(rdb.byte(255).sealed_with(0));
  EXPECT_TRUE(summary.opaque());
  EXPECT_EQ(summary.checksum, Checksum::absent);
}

TEST(Scanner, FindsAnOpaqueRdbWithAWrongChecksumCorrupt) {
  const std::string flaw = flaw_of(RdbBuilder().key(27).raw("x").byte(255).sealed_with(0x1234));

  EXPECT_THAT(flaw, HasSubstr("CRC64 is 0000000000001234, but it is "));
  EXPECT_THAT(flaw, HasSubstr("; value type 27 at byte 9 is not known"));
}

TEST(Scanner, BelievesAValidChecksumMoreThanItself) {
  const std::string cut = RdbBuilder().key(0).length(100).raw("short").sealed();
  const std::string beyond = RdbBuilder().byte(255).raw("more").sealed();
  const std::string odd_length = RdbBuilder().key(1).byte(0x85).end();
  const std::string odd_string = RdbBuilder().key(0).byte(0xc7).end();
  const std::string odd_node = RdbBuilder().key(18).length(1).length(3).string("x").end();

  EXPECT_EQ(summary_in_any_pieces(cut).opaque_reason,
            fmt::format("it ends before its end record, after {} bytes", cut.size()));
  EXPECT_EQ(summary_in_any_pieces(beyond).opaque_reason, "data follows the end record at byte 10");
  EXPECT_EQ(summary_in_any_pieces(odd_length).opaque_reason,
            "the length at byte 12 is encoded in an unknown way");
  EXPECT_EQ(summary_in_any_pieces(odd_string).opaque_reason,
            "the string at byte 12 is encoded in an unknown way");
  EXPECT_EQ(summary_in_any_pieces(odd_node).opaque_reason,
            "the list node at byte 13 is of the unknown kind 3");
}

TEST(Scanner, GivesUpOnACompressedStringWhoseLengthsAreOdd) {
  const std::string stored = RdbBuilder().key(0).byte(0xc3).byte(0x90).zeros(30).end();
  const std::string inflated = RdbBuilder().key(0).byte(0xc3).length(1).byte(0xbf).zeros(30).end();
  const std::string late =
      RdbBuilder().key(0).byte(0xc3).length(kLargest).byte(0xff).zeros(30).end();

  for (const std::string& rdb : {stored, inflated, late}) {
    EXPECT_EQ(summary_in_any_pieces(rdb).opaque_reason,
              "the string at byte 12 is encoded in an unknown way");
  }
}

TEST(Scanner, FindsDamageWithoutChecksumCorrupt) {
  const std::string tail(8, '\0');

  EXPECT_EQ(
      flaw_of(RdbBuilder().key(0).length(100).raw("short").sealed_with(0)),
      "the RDB is damaged and has no checksum: it ends before its end record, after 27 bytes");
  EXPECT_THAT(flaw_of(RdbBuilder().byte(255).raw("more").sealed_with(0)),
              HasSubstr("data follows the end record at byte 10"));
  EXPECT_THAT(flaw_of(RdbBuilder().key(1).byte(0x85).byte(255).sealed_with(0)),
              HasSubstr("the length at byte 12 is encoded in an unknown way"));
  EXPECT_THAT(flaw_of(RdbBuilder().end() + tail), HasSubstr("no checksum"));
}

TEST(Scanner, AllocatesNothingForAbsurdLengthsAndCounts) {
  const std::string long_string = RdbBuilder().key(0).length(kLargest).sealed();
  const std::string long_name = RdbBuilder().byte(0).length(kLargest).sealed();
  const std::string long_aux = RdbBuilder().byte(250).length(kLargest).sealed();
  const std::string long_function = RdbBuilder().byte(245).length(kLargest).raw("#!lua").sealed();
  const std::string inflating_function =
      RdbBuilder().byte(245).byte(0xc3).length(3).length(kLargest).raw("abc").end();
  const std::string many_strings = RdbBuilder().key(2).length(kLargest).string("a").sealed();
  const std::string many_nodes =
      RdbBuilder().key(18).length(kLargest).length(2).string("a").sealed();
  const std::string many_groups =
      RdbBuilder().key(15).length(0).length(0).length(0).length(0).length(kLargest).sealed();
  const std::string many_slots =
      RdbBuilder("VALKEY080").byte(243).string("j").length(kLargest).sealed();

  for (const std::string& rdb : {long_string, long_name, long_aux, long_function, many_strings,
                                 many_nodes, many_groups, many_slots}) {
    EXPECT_THAT(summary_in_any_pieces(rdb).opaque_reason, HasSubstr("ends before its end record"));
  }
  EXPECT_THAT(summary_in_any_pieces(inflating_function).functions, ElementsAre("?"));
}

TEST(Scanner, KeepsABoundedNumberOfDatabasesModulesAndLibraries) {
  RdbBuilder modules;
  RdbBuilder databases;
  RdbBuilder libraries;
  for (std::uint64_t i = 0; i < 70'000; ++i) {
    modules.key(7).length(i << 10U).length(0);
    databases.database(i).key(0).string("v");
    libraries.byte(245).string("#!lua name=x");
  }

  const Summary of_modules = summary_of(modules.end());
  EXPECT_EQ(of_modules.modules.size(), 257U);
  EXPECT_EQ(of_modules.modules.at("?"), 70'000U - 256);
  EXPECT_EQ(summary_of(databases.end()).opaque_reason, "there are more than 65536 databases");
  EXPECT_EQ(summary_of(libraries.end()).functions.size(), 4096U);
}

TEST(Scanner, FollowsStringsOfAnySizeAcrossItsSlices) {
  RdbBuilder rdb;
  for (const std::size_t size : {63U, 64U, 16383U, 16384U, 131'072U, 131'073U, 1'000'000U}) {
    rdb.key(0, std::string(size, 'k')).string(std::string(size, 'v'));
    rdb.key(4).length(1).string(std::string(size, 'f')).string(std::string(size, 'v'));
  }
  const std::string whole = rdb.end();

  const Summary summary = summary_of(whole);
  EXPECT_EQ(summary.keys(), 14U);
  EXPECT_EQ(test::scan_in_pieces(whole, 1, 100'003), test::Outcome(summary));
}

}  // namespace
}  // namespace keyrewind::rdb
