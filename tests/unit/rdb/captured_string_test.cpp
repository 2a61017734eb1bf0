#include "rdb/captured_string.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace keyrewind::rdb {
namespace {

using testing::Optional;

TEST(CapturedString, WritesIntegersOut) {
  const auto text = [](std::string_view stored, Encoding encoding) {
    return text_of(as_bytes(stored), encoding, 0, 100);
  };

  EXPECT_THAT(text("\xff", Encoding::int8), Optional(std::string("-1")));
  EXPECT_THAT(text("\x30\x75", Encoding::int16), Optional(std::string("30000")));
  EXPECT_THAT(text(std::string_view("\x00\x00\x00\x80", 4), Encoding::int32),
              Optional(std::string("-2147483648")));
}

TEST(CapturedString, InflatesWhatIsCompressed) {
  // One literal 'a', then nine bytes from one byte back.
  const std::string_view stored("\x00\x61\xe0\x00\x00", 5);

  EXPECT_THAT(text_of(as_bytes(stored), Encoding::lzf, 10, 100), Optional(std::string(10, 'a')));
}

TEST(CapturedString, IsNothingIfTheBytesDoNotFit) {
  const std::string_view stored("\x00\x61\xe0\x00\x00", 5);

  EXPECT_EQ(text_of(as_bytes(stored), Encoding::lzf, 11, 100), std::nullopt);
  EXPECT_EQ(text_of(as_bytes(stored), Encoding::lzf, 9, 100), std::nullopt);
  EXPECT_EQ(text_of(as_bytes(stored), Encoding::lzf, 0, 100), std::nullopt);
  EXPECT_EQ(text_of(as_bytes(stored), Encoding::lzf, 10, 9), std::nullopt);
  EXPECT_EQ(text_of(as_bytes(stored), Encoding::lzf, ~0ULL, ~0ULL), std::nullopt);
  EXPECT_EQ(text_of(as_bytes("ab"), Encoding::int8, 0, 100), std::nullopt);
  EXPECT_EQ(text_of(as_bytes("abc"), Encoding::raw, 0, 2), std::nullopt);
}

TEST(LibraryName, IsInTheFirstLine) {
  EXPECT_EQ(library_name("#!lua name=mylib\nredis.register_function('f', ...)"), "mylib");
  EXPECT_EQ(library_name("#!LUA  NAME=mylib \r\n"), "mylib");
  EXPECT_EQ(library_name("#!lua name=\"mylib\"\n"), "mylib");
  EXPECT_EQ(library_name("#!js api_version=1.0 name=other"), "other");
}

TEST(LibraryName, IsUnknownIfTheFirstLineDoesNotSay) {
  for (const std::string_view code :
       {"", "#!lua", "#!lua name=", "return 1 name=x", "#!lua\nname=x"}) {
    EXPECT_EQ(library_name(code), "?") << code;
  }
  EXPECT_EQ(library_name("#!lua name=" + std::string(1000, 'x')), "?");
}

TEST(ModuleName, IsNineLettersOfTheId) {
  // "ReJSON-RL" version 3, as RedisJSON registers it.
  const std::string_view letters =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::uint64_t id = 0;
  for (const char letter : std::string_view("ReJSON-RL")) {
    id = id << 6U | letters.find(letter);
  }

  EXPECT_EQ(module_name(id << 10U | 3U), "ReJSON-RL");
  EXPECT_EQ(module_name(0), "AAAAAAAAA");
}

}  // namespace
}  // namespace keyrewind::rdb
