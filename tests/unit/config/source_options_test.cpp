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

}  // namespace
}  // namespace keyrewind::config
