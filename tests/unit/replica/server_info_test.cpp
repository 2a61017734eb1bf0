#include "replica/server_info.h"

#include "fake_source.h"
#include "replica/config_defaults.h"

#include <gmock/gmock.h>

#include <algorithm>

namespace keyrewind::replica {
namespace {

using test::expect;
using test::FakeServer;
using test::send;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;
using testing::UnorderedElementsAre;

const std::string kHash = "#5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8";

TEST(ServerInfo, IsReadFromInfoConfigAndAcl) {
  FakeServer server(
      {expect("HELLO 2"), send(greeting_of("valkey", "8.1.1")), expect("INFO everything"),
       send(bulk("# Memory\r\nused_memory:1234567\r\nused_memory_human:1.18M\r\n# Keyspace\r\n"
                 "db0:keys=10,expires=1,avg_ttl=0\r\ndb11:keys=5,expires=0,avg_ttl=0\r\n")),
       expect("CONFIG GET *"),
       send("*4\r\n" + bulk("maxmemory") + bulk("100") + bulk("hz") + bulk("10")),
       expect("ACL LIST"), send("*1\r\n" + bulk("user default on " + kHash + " ~* &* +@all"))});
  Connection connection(options_for(server), {});

  const ServerInfo info = ask_server_info(connection);

  EXPECT_EQ(info.product, "valkey");
  EXPECT_EQ(info.version, "8.1.1");
  EXPECT_EQ(info.role, "primary");
  EXPECT_THAT(info.modules, UnorderedElementsAre(Pair("bf", "80207")));
  EXPECT_EQ(info.used_memory, 1234567U);
  EXPECT_EQ(info.keys, 15U);
  EXPECT_THAT(info.config, UnorderedElementsAre(Pair("maxmemory", "100")));
  EXPECT_THAT(info.acl_users, ElementsAre("user default on #(left out) ~* &* +@all"));
  ASSERT_EQ(info.acl_users_with_hashes.size(), 1U);
  EXPECT_EQ(info.acl_users_with_hashes[0].reveal(), "user default on " + kHash + " ~* &* +@all");
  EXPECT_THAT(info.missing, IsEmpty());
}

TEST(ServerInfo, PassesOnWhyElseSomethingIsMissing) {
  FakeServer server({expect("HELLO 2"), send(greeting_of("redis", "7.0.15")),
                     expect("INFO everything"), send(bulk("# Keyspace\r\n")),
                     expect("CONFIG GET *"), send("-ERR unknown command 'CONFIG'\r\n"),
                     expect("ACL LIST"), send("-LOADING wait\r\n")});
  Connection connection(options_for(server), {});

  const ServerInfo info = ask_server_info(connection);

  EXPECT_EQ(info.keys, 0U);
  EXPECT_EQ(info.used_memory, std::nullopt);
  EXPECT_THAT(info.missing,
              ElementsAre(HasSubstr("does not offer CONFIG GET"), HasSubstr("still loading")));
}

TEST(ServerInfo, ThrowsWhenTheConnectionIsLost) {
  FakeServer server(
      {expect("HELLO 2"), send(greeting_of("redis", "7.0.15")), expect("INFO everything")});
  Connection connection(options_for(server), {});
  EXPECT_EQ(error_of([&] { ask_server_info(connection); }).kind(), ErrorKind::unavailable);
}

TEST(NonDefaultConfig, LeavesOutDefaultsOfAnyServer) {
  std::vector<std::string> secrets;
  EXPECT_THAT(non_default_config({{"repl-backlog-size", "1048576"},
                                  {"appendonly", "yes"},
                                  {"maxmemory", "0"},
                                  {"future-option", "on"}},
                                 secrets),
              UnorderedElementsAre(Pair("appendonly", "yes"), Pair("future-option", "on")));
  EXPECT_THAT(non_default_config(
                  {{"repl-backlog-size", "10485760"}, {"lazyfree-lazy-expire", "yes"}}, secrets),
              IsEmpty());
  EXPECT_THAT(secrets, IsEmpty());
}

TEST(NonDefaultConfig, TellsEachOptionOnceUnderItsNewerName) {
  std::vector<std::string> secrets;
  EXPECT_THAT(
      non_default_config({{"min-slaves-to-write", "2"},
                          {"min-replicas-to-write", "2"},
                          {"hash-max-ziplist-entries", "1"},
                          {"hash-max-listpack-entries", "1"},
                          {"slave-of-its-own", "x"}},
                         secrets),
      UnorderedElementsAre(Pair("min-replicas-to-write", "2"),
                           Pair("hash-max-listpack-entries", "1"), Pair("slave-of-its-own", "x")));
}

TEST(NonDefaultConfig, NamesSecretsInsteadOfTellingThem) {
  std::vector<std::string> secrets;
  EXPECT_THAT(
      non_default_config({{"requirepass", "s"},
                          {"masterauth", "s"},
                          {"primaryauth", "s"},
                          {"tls-key-file-pass", "s"},
                          {"tls-client-key-file-pass", "s"},
                          {"some-module.password", "s"},
                          {"hash-seed", "s"},
                          {"sentinel-pass", ""},
                          {"tls-auth-clients", "no"},
                          {"tls-auth-clients-user", "CN"},
                          {"masteruser", "u"},
                          {"aclfile", "/etc/users.acl"}},
                         secrets),
      UnorderedElementsAre(Pair("tls-auth-clients", "no"), Pair("tls-auth-clients-user", "CN"),
                           Pair("masteruser", "u"), Pair("aclfile", "/etc/users.acl")));
  EXPECT_THAT(secrets, UnorderedElementsAre("requirepass", "masterauth", "primaryauth",
                                            "tls-key-file-pass", "tls-client-key-file-pass",
                                            "some-module.password", "hash-seed"));
}

TEST(ConfigDefaults, AreInOrder) {
  const auto defaults = config_defaults();
  EXPECT_TRUE(std::is_sorted(defaults.begin(), defaults.end()));
  EXPECT_GT(defaults.size(), 200U);
}

TEST(WithoutHashes, TakesOnlyTheHashes) {
  EXPECT_EQ(without_hashes("user a on " + kHash + " " + kHash + " ~#1 &* -@all (+get ~x)"),
            "user a on #(left out) #(left out) ~#1 &* -@all (+get ~x)");
  EXPECT_EQ(without_hashes("user default on nopass ~* +@all"), "user default on nopass ~* +@all");
  EXPECT_EQ(without_hashes(""), "");
}

}  // namespace
}  // namespace keyrewind::replica
