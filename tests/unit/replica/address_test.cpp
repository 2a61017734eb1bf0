#include "replica/address.h"

#include "base/error.h"

#include <gmock/gmock.h>

namespace keyrewind::replica {
namespace {

using testing::HasSubstr;
using testing::Not;
using Transport = Address::Transport;

Address tcp(std::string host, std::uint16_t port) {
  return {Transport::tcp, std::move(host), port, ""};
}
Address tls(std::string host, std::uint16_t port) {
  return {Transport::tls, std::move(host), port, ""};
}
Address unix_socket(std::string path) {
  return {Transport::unix, "", 6379, std::move(path)};
}

std::string refusal_of(const std::string& url) {
  try {
    parse_address(url);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::config) << url;
    return error.what();
  }
  ADD_FAILURE() << url << " was accepted";
  return "";
}

TEST(ParseAddress, TakesEveryScheme) {
  EXPECT_EQ(parse_address("valkey://orders:6380"), tcp("orders", 6380));
  EXPECT_EQ(parse_address("redis://127.0.0.1:1"), tcp("127.0.0.1", 1));
  EXPECT_EQ(parse_address("valkeys://orders-0.orders:65535"), tls("orders-0.orders", 65535));
  EXPECT_EQ(parse_address("rediss://orders:6379/"), tls("orders", 6379));
  EXPECT_EQ(parse_address("unix:///run/valkey.sock"), unix_socket("/run/valkey.sock"));
  EXPECT_EQ(parse_address("unix:/run/a@b c"), unix_socket("/run/a@b c"));
}

TEST(ParseAddress, KnowsTheUsualPort) {
  EXPECT_EQ(parse_address("valkey://orders"), tcp("orders", 6379));
  EXPECT_EQ(parse_address("valkeys://[::1]"), tls("::1", 6379));
}

TEST(ParseAddress, TakesIpv6InBrackets) {
  EXPECT_EQ(parse_address("redis://[fe80::1%eth0]:7000"), tcp("fe80::1%eth0", 7000));
}

TEST(ParseAddress, RefusesCredentialsWithoutRepeatingThem) {
  for (const char* url :
       {"redis://user:hunter2@orders:6379", "valkeys://:hunter2@orders", "user:hunter2@orders"}) {
    const std::string message = refusal_of(url);
    EXPECT_THAT(message, HasSubstr("source.password_file")) << url;
    EXPECT_THAT(message, Not(HasSubstr("hunter2"))) << url;
  }
}

TEST(ParseAddress, RefusesAnythingElseAndSaysWhatItTakes) {
  for (const char* url : {"",
                          "orders:6379",
                          "http://orders",
                          "valkey://",
                          "valkey://:6379",
                          "valkey://orders:",
                          "valkey://orders:0",
                          "valkey://orders:65536",
                          "valkey://orders:-1",
                          "valkey://orders:6379x",
                          "valkey://orders:6379/0",
                          "valkey://orders/0",
                          "valkey://::1",
                          "valkey://[::1",
                          "valkey://[::1]x",
                          "valkey://[]:1",
                          "valkey://or ders",
                          "valkey://orders?db=1",
                          "unix:run/valkey.sock",
                          "unix://run/valkey.sock",
                          "unix:",
                          "VALKEY"}) {
    EXPECT_THAT(refusal_of(url), HasSubstr("write valkey://HOST[:PORT]")) << url;
  }
}

TEST(AddressToString, IsShortForMessages) {
  EXPECT_EQ(to_string(parse_address("valkeys://orders")), "orders:6379");
  EXPECT_EQ(to_string(parse_address("valkey://[::1]:7000")), "[::1]:7000");
  EXPECT_EQ(to_string(parse_address("unix:///run/valkey.sock")), "/run/valkey.sock");
}

}  // namespace
}  // namespace keyrewind::replica
