#include "config/source_options.h"

#include <gmock/gmock.h>

namespace keyrewind::config {
namespace {

TEST(ToSourceOptions, CarriesEverythingOver) {
  Config config;
  config.source = {.name = "orders",
                   .address = "valkeys://node:7000",
                   .username = "backup",
                   .password_file = "",
                   .password = Secret("hunter2"),
                   .tls = {.ca_file = "/ca",
                           .cert_file = "/cert",
                           .key_file = "/key",
                           .server_name = "orders.example.com"}};

  const replica::SourceOptions options = to_source_options(config);

  EXPECT_EQ(options.address, (replica::Address{.transport = replica::Address::Transport::tls,
                                               .host = "node",
                                               .port = 7000,
                                               .path = ""}));
  EXPECT_EQ(options.username, "backup");
  EXPECT_EQ(options.password.reveal(), "hunter2");
  EXPECT_EQ(options.tls.ca_file, "/ca");
  EXPECT_EQ(options.tls.cert_file, "/cert");
  EXPECT_EQ(options.tls.key_file, "/key");
  EXPECT_EQ(options.tls.server_name, "orders.example.com");
}

using Transport = replica::Address::Transport;

replica::Address sentinel(const std::string& text, Transport transport = Transport::tcp) {
  return parse_sentinel_address(text, transport);
}

TEST(ToShardOptions, CarriesEverythingOver) {
  Config config;
  config.source.address = "valkeys://node:7000";
  config.source.username = "backup";
  config.source.password = Secret("hunter2");
  config.source.read_from = replica::ReadFrom::replica;
  config.source.sentinel = {.master = "mymaster", .addresses = {"one", "valkey://two:1"}};

  const replica::ShardOptions options = to_shard_options(config);

  EXPECT_EQ(options.source.address.host, "node");
  EXPECT_EQ(options.source.username, "backup");
  EXPECT_EQ(options.read_from, replica::ReadFrom::replica);
  EXPECT_EQ(options.sentinel.master, "mymaster");
  EXPECT_THAT(options.sentinel.addresses,
              testing::ElementsAre(sentinel("valkeys://one:26379"), sentinel("valkey://two:1")));
}

TEST(ParseSentinelAddress, HasAPortOfItsOwn) {
  for (const char* text : {"h", "h:26379", "valkey://h", "redis://h/", "h/"}) {
    EXPECT_EQ(to_string(sentinel(text)), "h:26379") << text;
  }
  for (const char* text : {"[::1]", "redis://[::1]", "[::1]:26379"}) {
    EXPECT_EQ(to_string(sentinel(text)), "[::1]:26379") << text;
  }
  EXPECT_EQ(sentinel("valkey://h:6379").port, 6379U);
}

TEST(ParseSentinelAddress, IsEncryptedAsItSaysOrElseAsTheSource) {
  EXPECT_EQ(sentinel("h").transport, Transport::tcp);
  EXPECT_EQ(sentinel("h", Transport::unix).transport, Transport::tcp);
  EXPECT_EQ(sentinel("h", Transport::tls).transport, Transport::tls);
  EXPECT_EQ(sentinel("valkey://h", Transport::tls).transport, Transport::tcp);
  EXPECT_EQ(sentinel("rediss://h").transport, Transport::tls);
  EXPECT_EQ(sentinel("unix:///run/s", Transport::tls).path, "/run/s");
}

TEST(ParseSentinelAddress, RefusesWhatIsNone) {
  for (const char* text :
       {"", "::1", "h:", "h:0", "h:65536", "h:x", "http://h", "user@h", "a b", "[::1", "unix:s"}) {
    EXPECT_THROW(sentinel(text), Error) << text;
  }
}

}  // namespace
}  // namespace keyrewind::config
