#include "catalog/manifest.h"

#include "base/error.h"
#include "catalog/details.h"
#include "sample.h"
#include "support/paths.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <filesystem>
#include <fstream>
#include <functional>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace keyrewind::catalog {
namespace {

using nlohmann::json;
using test::failure_of;
using testing::HasSubstr;

const std::string kId = "20261120T130221Z-0a1b2c";

Commit sample_commit() {
  Commit commit;
  commit.id = kId;
  commit.sequence = 7;
  commit.source = "orders";
  commit.created = test::sample_time();
  commit.finished = test::sample_time() + std::chrono::milliseconds(4321);
  commit.keys = 9;
  commit.raw_bytes = 123456;
  commit.stored_bytes = 22;
  commit.server = "Valkey 8.1.1";
  commit.opaque = false;
  commit.labels = {{"before", "release 7"}};
  commit.manifest = {names::manifest("orders", kId), 4567, std::string(64, 'e')};
  return commit;
}

std::string golden(const std::string& name) {
  std::ifstream file(test::source_dir() / "tests/data/manifests" / name);
  EXPECT_TRUE(file) << name;
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

/// A document that `decode` reads, for tests that spoil it.
struct Kind {
  const char* name;
  std::string text;
  std::function<void(const std::string&)> decode;
};

/// Of an encrypted backup.
Manifest sample_encrypted() {
  Manifest manifest = test::sample_manifest("orders", kId, test::sample_time(), true);
  manifest.details = {names::details("orders", kId), 1234, std::string(64, 'a')};
  return manifest;
}

std::vector<Kind> kinds() {
  const auto decode = [](const std::string& text) { (void)decode_manifest(as_bytes(text)); };
  return {{"manifest", encode(test::sample_manifest("orders", kId)), decode},
          {"manifest", encode(sample_encrypted()), decode},
          {"details of backup 20261120T130221Z-0a1b2c",
           encode_details(test::sample_manifest("orders", kId)),
           [](const std::string& text) {
             Manifest manifest = sample_encrypted();
             merge_details(manifest, as_bytes(text));
           }},
          {"commit", encode(sample_commit()),
           [](const std::string& text) { (void)decode_commit(as_bytes(text)); }}};
}

/// Calls `spoil(parent, key)` for each field of each object in `document`, and puts it back.
void for_each_field(json& document, const std::function<void(json&, const std::string&)>& spoil) {
  if (document.is_object()) {
    std::vector<std::string> keys;
    for (const auto& item : document.items()) {
      keys.push_back(item.key());
    }
    for (const std::string& key : keys) {
      const json before = document;
      spoil(document, key);
      document = before;
      for_each_field(document[key], spoil);
    }
  } else if (document.is_array()) {
    for (json& item : document) {
      for_each_field(item, spoil);
    }
  }
}

/// Fields that need not be there: those of open tables, and those that came later.
const std::set<std::string>& optional_fields() {
  static const std::set<std::string> fields = {
      "encryption",     "before",    "ticket",  "0",          "15",        "redis-ver",
      "repl-stream-db", "graphdata", "graph",   "appendonly", "maxmemory", "string",
      "list",           "set",       "zset",    "hash",       "stream",    "module",
      "taken",          "details",   "trigger", "schedule",   "decision"};
  return fields;
}

/// Whether `parent` tells where a snapshot's index is: how long it is need not be said.
bool is_index(const json& parent) {
  return parent.size() <= 4 && parent.contains("offset");
}

TEST(Manifest, GivesBackWhatWasWritten) {
  const Manifest manifest = test::sample_manifest("orders", kId);

  const Manifest read = decode_manifest(as_bytes(encode(manifest)));

  EXPECT_EQ(encode(read), encode(manifest));
  EXPECT_EQ(read.snapshots, manifest.snapshots);
  EXPECT_EQ(read.labels, manifest.labels);
  EXPECT_EQ(read.warnings, manifest.warnings);
  EXPECT_EQ(read.created, manifest.created);
  EXPECT_EQ(read.finished, manifest.finished);
  EXPECT_EQ(read.servers.at("0").acl_users, manifest.servers.at("0").acl_users);
  EXPECT_EQ(read.servers.at("0").used_memory, manifest.servers.at("0").used_memory);
}

TEST(Manifest, KeepsWhyItWasTaken) {
  for (const Trigger trigger :
       {Trigger::base, Trigger::schedule, Trigger::manual, Trigger::final, Trigger::import}) {
    Manifest manifest = test::sample_manifest("orders", kId);
    manifest.origin.trigger = trigger;
    manifest.origin.schedule = trigger == Trigger::schedule ? "nightly" : "";
    manifest.decision = "full sync from the replica, which has memory enough";
    Commit commit = sample_commit();
    commit.origin = manifest.origin;

    EXPECT_EQ(decode_manifest(as_bytes(encode(manifest))).origin, manifest.origin);
    EXPECT_EQ(decode_manifest(as_bytes(encode(manifest))).decision, manifest.decision);
    EXPECT_EQ(decode_commit(as_bytes(encode(commit))), commit);
  }
}

TEST(Commit, MayHaveATriggerOfALaterVersion) {
  json commit = json::parse(encode(sample_commit()));
  commit["trigger"] = "clairvoyance";

  EXPECT_EQ(decode_commit(as_bytes(commit.dump())).origin.trigger, std::nullopt);
}

TEST(Manifest, KeepsThatSomethingIsUnknown) {
  Manifest manifest = test::sample_manifest("orders", kId);
  manifest.servers["0"].used_memory.reset();
  manifest.servers["0"].keys.reset();
  manifest.snapshots[0].rdb.opaque_reason = "value type 200 is unknown";
  manifest.snapshots[0].rdb.checksum = rdb::Checksum::absent;

  const Manifest read = decode_manifest(as_bytes(encode(manifest)));

  EXPECT_EQ(read.servers.at("0").used_memory, std::nullopt);
  EXPECT_EQ(read.servers.at("0").keys, std::nullopt);
  EXPECT_EQ(read.snapshots, manifest.snapshots);
}

TEST(Manifest, KeepsTheLargestNumbers) {
  Manifest manifest = test::sample_manifest("orders", kId);
  Snapshot& snapshot = manifest.snapshots[0];
  snapshot.offset = std::numeric_limits<std::int64_t>::max();
  snapshot.rdb.bytes = std::numeric_limits<std::uint64_t>::max();
  snapshot.rdb.crc64 = std::numeric_limits<std::uint64_t>::max();
  snapshot.rdb.databases[std::numeric_limits<std::uint64_t>::max()].keys = 1;

  EXPECT_EQ(decode_manifest(as_bytes(encode(manifest))).snapshots, manifest.snapshots);
}

TEST(Manifest, SumsOverItsShards) {
  Manifest manifest = test::sample_manifest("orders", kId);
  manifest.snapshots.push_back(manifest.snapshots.front());

  EXPECT_EQ(manifest.keys(), 18U);
  EXPECT_EQ(manifest.raw_bytes(), 2 * 123456U);
  EXPECT_EQ(manifest.stored_bytes(), 2 * test::kSampleSnapshot.size());
}

TEST(Manifest, IsWrittenWhateverBytesTheServerSaid) {
  Manifest manifest = test::sample_manifest("orders", kId);
  manifest.servers["0"].config["proc-title-template"] = std::string("\xff\xfe\0\n", 4);

  const Manifest read = decode_manifest(as_bytes(encode(manifest)));

  EXPECT_EQ(read.servers.at("0").config.at("proc-title-template"),
            std::string("\xef\xbf\xbd\xef\xbf\xbd\0\n", 8));
}

TEST(Manifest, OfAnEncryptedBackupSaysNothingOfItsContent) {
  const std::string text = encode(sample_encrypted());

  const json manifest = json::parse(text);
  EXPECT_EQ(manifest["snapshots"][0]["object"]["encryption"], "age");
  EXPECT_EQ(manifest["details"]["encryption"], "age");
  EXPECT_EQ(manifest["snapshots"][0]["raw"].size(), 1U) << "its size only";
  for (const char* word : {"crc64", "functions", "aux", "config", "secrets_left_out", "acl_users",
                           "counters", "repl-stream-db", "appendonly", "requirepass", "default"}) {
    EXPECT_THAT(text, testing::Not(HasSubstr(word)));
  }
  const Snapshot snapshot = sample_encrypted().snapshots[0];
  EXPECT_THAT(text, testing::Not(HasSubstr(snapshot.raw_sha256)));
  EXPECT_THAT(text, testing::Not(HasSubstr(snapshot.index_sha256)));
}

TEST(Manifest, OfAnEncryptedBackupIsWholeWithItsDetails) {
  const Manifest expected = sample_encrypted();
  Manifest read = decode_manifest(as_bytes(encode(expected)));
  EXPECT_FALSE(read.snapshots[0].digests_known);
  EXPECT_EQ(read.details, expected.details);
  EXPECT_EQ(read.snapshots[0].index_bytes, expected.snapshots[0].index_bytes);
  EXPECT_EQ(encode(read), encode(expected));

  merge_details(read, as_bytes(encode_details(expected)));

  EXPECT_EQ(read.snapshots, expected.snapshots);
  EXPECT_EQ(encode_details(read), encode_details(expected));
  const replica::ServerInfo& server = read.servers.at("0");
  EXPECT_EQ(server.config, expected.servers.at("0").config);
  EXPECT_EQ(server.acl_users, expected.servers.at("0").acl_users) << "without hashes";
  EXPECT_THAT(std::string(server.acl_users_with_hashes.at(0).reveal()),
              HasSubstr(std::string(64, 'd')));
}

TEST(Manifest, NeverHoldsThePasswordsOfUsers) {
  for (const Manifest& manifest : {test::sample_manifest("orders", kId), sample_encrypted()}) {
    EXPECT_THAT(encode(manifest), testing::Not(HasSubstr(std::string(64, 'd'))));
    EXPECT_THAT(encode_details(manifest), HasSubstr(std::string(64, 'd')));
  }
}

TEST(Manifest, TakesTheDetailsOfItsOwnBackupOnly) {
  const Manifest other = test::sample_manifest("orders", "20261121T130221Z-0a1b2c");
  Manifest fewer = sample_encrypted();
  fewer.snapshots.clear();
  Manifest more_servers = sample_encrypted();
  more_servers.servers.emplace("1", test::sample_server());
  Manifest no_server = sample_encrypted();
  no_server.servers.clear();
  Manifest other_shard = sample_encrypted();
  other_shard.snapshots[0].shard = "1";
  for (const Manifest& wrong : {other, fewer, more_servers, no_server, other_shard}) {
    Manifest manifest = decode_manifest(as_bytes(encode(sample_encrypted())));
    const Error error =
        failure_of([&] { merge_details(manifest, as_bytes(encode_details(wrong))); });
    EXPECT_EQ(error.kind(), ErrorKind::corrupt);
    EXPECT_FALSE(manifest.snapshots[0].digests_known);
  }
}

TEST(Manifest, NamesNoObjectEncryptedInAnotherWay) {
  json manifest = json::parse(encode(sample_encrypted()));
  manifest["snapshots"][0]["object"]["encryption"] = "rot13";

  const Error error = failure_of([&] { (void)decode_manifest(as_bytes(manifest.dump())); });

  EXPECT_EQ(error.kind(), ErrorKind::incompatible);
  EXPECT_THAT(error.what(), HasSubstr("use a newer one"));
}

TEST(Manifest, SaysOfAnObjectWhatItsNameSays) {
  json plain = json::parse(encode(test::sample_manifest("orders", kId)));
  plain["snapshots"][0]["object"]["encryption"] = "age";
  json encrypted = json::parse(encode(sample_encrypted()));
  encrypted["snapshots"][0]["object"]["encryption"] = nullptr;
  for (const json& manifest : {plain, encrypted}) {
    const Error error = failure_of([&] { (void)decode_manifest(as_bytes(manifest.dump())); });
    EXPECT_EQ(error.kind(), ErrorKind::corrupt);
    EXPECT_THAT(error.what(), HasSubstr("encryption does not fit the name"));
  }
}

TEST(Manifest, HasItsIndexAtTheEndOfAPlainObject) {
  json manifest = json::parse(encode(test::sample_manifest("orders", kId)));
  json& index = manifest["snapshots"][0]["index"];
  index["bytes"] = index["bytes"].get<int>() - 1;
  EXPECT_EQ(failure_of([&] { (void)decode_manifest(as_bytes(manifest.dump())); }).kind(),
            ErrorKind::corrupt);
  index.erase("bytes");
  EXPECT_EQ(decode_manifest(as_bytes(manifest.dump())).snapshots,
            test::sample_manifest("orders", kId).snapshots);
}

TEST(Manifest, OfFormat1IsReadForEver) {
  const Manifest manifest = decode_manifest(as_bytes(golden("v1/manifest.json")));

  Manifest expected = test::sample_manifest("orders", kId);
  expected.snapshots[0].taken = expected.created;  // What stands for it where it is missing.
  EXPECT_EQ(encode(manifest), encode(expected));
}

TEST(Commit, OfFormat1IsReadForEver) {
  EXPECT_EQ(decode_commit(as_bytes(golden("v1/commit.json"))), sample_commit());
}

TEST(Commit, GivesBackWhatWasWritten) {
  EXPECT_EQ(decode_commit(as_bytes(encode(sample_commit()))), sample_commit());
}

TEST(Document, SaysWhatItIsFirst) {
  EXPECT_TRUE(encode(test::sample_manifest("orders", kId))
                  .starts_with("{\n  \"format\": 1,\n  \"kind\": \"keyrewind-manifest\",\n"));
  EXPECT_TRUE(encode(sample_commit())
                  .starts_with("{\n  \"format\": 1,\n  \"kind\": \"keyrewind-commit\",\n"));
}

TEST(Document, MayHaveFieldsOfLaterVersions) {
  for (const Kind& kind : kinds()) {
    json document = json::parse(kind.text);
    std::vector<std::string> tables = {"labels", "config",    "aux",    "modules",
                                       "types",  "databases", "servers"};
    for_each_field(document, [&](json& parent, const std::string& key) {
      if (parent[key].is_object() && std::find(tables.begin(), tables.end(), key) == tables.end()) {
        parent[key]["later"] = {{"a", json::array({1, 2})}};
      }
      parent["later"] = "something";
      if (parent.contains("keys") || parent.contains("format")) {
        EXPECT_NO_THROW(kind.decode(document.dump())) << kind.name << " at " << key;
      }
    });
  }
}

TEST(Document, OfANewerFormatIsLeftToNewerPrograms) {
  for (const Kind& kind : kinds()) {
    json document = {{"format", 2}, {"something", "else"}};

    const Error error = failure_of([&] { kind.decode(document.dump()); });

    EXPECT_EQ(error.kind(), ErrorKind::incompatible);
    EXPECT_EQ(error.side(), Side::repository);
    EXPECT_EQ(error.what(), std::string("the ") + kind.name +
                                " was written in format 2, this Keyrewind reads up to 1; use a "
                                "newer one");
  }
}

TEST(Document, OfAnotherKindIsDamaged) {
  const Error error = failure_of([&] { (void)decode_manifest(as_bytes(encode(sample_commit()))); });

  EXPECT_EQ(error.kind(), ErrorKind::corrupt);
  EXPECT_STREQ(error.what(), "the manifest is damaged: kind is not keyrewind-manifest");
}

TEST(Document, ShowsEveryTruncation) {
  for (const Kind& kind : kinds()) {
    for (std::size_t length = 0; length + 1 < kind.text.size(); ++length) {
      const Error error = failure_of([&] { kind.decode(kind.text.substr(0, length)); });
      ASSERT_EQ(error.kind(), ErrorKind::corrupt) << kind.name << " of " << length << " bytes";
      ASSERT_EQ(error.side(), Side::repository);
    }
  }
}

TEST(Document, MissesNoneOfItsFields) {
  for (const Kind& kind : kinds()) {
    json document = json::parse(kind.text);
    for_each_field(document, [&](json& parent, const std::string& key) {
      if (optional_fields().contains(key) || (is_index(parent) && key == "bytes")) {
        return;
      }
      parent.erase(key);
      const Error error = failure_of([&] { kind.decode(document.dump()); });
      EXPECT_EQ(error.kind(), ErrorKind::corrupt) << kind.name << " without " << key;
      EXPECT_THAT(error.what(), HasSubstr(key + " is missing"));
    });
  }
}

TEST(Document, TakesNoFieldOfAnotherType) {
  const std::vector<json> values = {-1,
                                    1.5,
                                    1e30,
                                    true,
                                    "",
                                    "text",
                                    json::array({1}),
                                    json{{"a", 1}},
                                    nullptr,
                                    18446744073709551615U};
  for (const Kind& kind : kinds()) {
    json document = json::parse(kind.text);
    for_each_field(document, [&](json& parent, const std::string& key) {
      const json original = parent[key];
      for (const json& value : values) {
        const bool nullable =
            value.is_null() &&
            (key == "used_memory" || key == "keys" || key == "opaque_reason" ||
             key == "encryption" || key == "taken" || key == "trigger" || key == "schedule" ||
             key == "decision" || key == "details" || (is_index(parent) && key == "bytes"));
        if (value.type() == original.type() || nullable ||
            (original.is_null() && value.is_string())) {
          continue;
        }
        parent[key] = value;
        const Error error = failure_of([&] { kind.decode(document.dump()); });
        EXPECT_EQ(error.kind(), ErrorKind::corrupt)
            << kind.name << " with " << key << " = " << value << ": " << error.what();
      }
    });
  }
}

TEST(Document, ReadsOnlyNumbersThatFit) {
  const std::string text = encode(sample_commit());
  for (const char* number : {"-7", "7.0", "7e0", "18446744073709551616", "1e999", "\"7\"", "007"}) {
    std::string spoiled = text;
    spoiled.replace(spoiled.find("\"sequence\": 7"), 13, std::string("\"sequence\": ") + number);
    EXPECT_EQ(failure_of([&] { (void)decode_commit(as_bytes(spoiled)); }).kind(),
              ErrorKind::corrupt)
        << number;
  }
}

TEST(Document, NamesNothingOutsideItsSource) {
  for (const char* name : {"", "/etc/passwd", "../../etc/passwd", "sources/orders/../users/a",
                           "sources/users/a", "sources/orders", "sources/ordersx/a",
                           "sources/orders/", "keyrewind.json", "sources/orders/a b"}) {
    json manifest = json::parse(encode(test::sample_manifest("orders", kId)));
    manifest["snapshots"][0]["object"]["name"] = name;
    EXPECT_EQ(failure_of([&] { (void)decode_manifest(as_bytes(manifest.dump())); }).kind(),
              ErrorKind::corrupt)
        << name;

    json commit = json::parse(encode(sample_commit()));
    commit["manifest"]["name"] = name;
    EXPECT_EQ(failure_of([&] { (void)decode_commit(as_bytes(commit.dump())); }).kind(),
              ErrorKind::corrupt)
        << name;
  }
}

TEST(Document, HasDigestsOfTheRightLengthOnly) {
  const json sound = json::parse(encode(test::sample_manifest("orders", kId)));
  const std::vector<std::pair<std::string, std::string>> spoils = {
      {"/snapshots/0/object/sha256", std::string(63, 'a')},
      {"/snapshots/0/object/sha256", std::string(64, 'A')},
      {"/snapshots/0/raw/sha256", std::string(64, 'g')},
      {"/snapshots/0/index/sha256", ""},
      {"/snapshots/0/raw/crc64", "0x123456789abcde"},
      {"/snapshots/0/lineage", std::string(39, 'a')},
      {"/snapshots/0/replid", std::string(41, 'a')},
      {"/snapshots/0/shard", "../0"},
      {"/id", "a/b"},
      {"/source", ".."},
      {"/created", "yesterday"},
  };
  for (const auto& [path, value] : spoils) {
    json document = sound;
    document[json::json_pointer(path)] = value;
    EXPECT_EQ(failure_of([&] { (void)decode_manifest(as_bytes(document.dump())); }).kind(),
              ErrorKind::corrupt)
        << path;
  }
}

TEST(Document, NamesTheFieldThatIsWrong) {
  json document = json::parse(encode(test::sample_manifest("orders", kId)));
  document["snapshots"][0]["rdb"]["databases"]["15"]["keys"] = "many";

  const Error error = failure_of([&] { (void)decode_manifest(as_bytes(document.dump())); });

  EXPECT_STREQ(error.what(),
               "the manifest is damaged: snapshots[0].rdb.databases.15.keys is no whole number "
               "from 0 on");
}

TEST(Document, IsReadHoweverDeepItGoes) {
  for (const char* opening : {"[", "{\"a\":"}) {
    std::string deep;
    for (int i = 0; i < 200'000; ++i) {
      deep += opening;
    }
    EXPECT_EQ(failure_of([&] { (void)decode_manifest(as_bytes(deep)); }).kind(),
              ErrorKind::corrupt);
  }
}

}  // namespace
}  // namespace keyrewind::catalog
