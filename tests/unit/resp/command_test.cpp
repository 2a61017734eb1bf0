#include "resp/command.h"

#include <gtest/gtest.h>

namespace keyrewind::resp {
namespace {

using namespace std::string_view_literals;

TEST(EncodeCommand, MakesAnArrayOfBulkStrings) {
  EXPECT_EQ(as_text(encode_command({"PSYNC", "?", "-1"})),
            "*3\r\n$5\r\nPSYNC\r\n$1\r\n?\r\n$2\r\n-1\r\n");
}

TEST(EncodeCommand, KeepsAnyByteAndTheEmptyWord) {
  EXPECT_EQ(as_text(encode_command({"AUTH", "", "p\r\n\0w"sv})),
            "*3\r\n$4\r\nAUTH\r\n$0\r\n\r\n$5\r\np\r\n\0w\r\n"sv);
  EXPECT_EQ(as_text(encode_command({"AUTH", std::string_view()})),
            "*2\r\n$4\r\nAUTH\r\n$0\r\n\r\n");
}

}  // namespace
}  // namespace keyrewind::resp
