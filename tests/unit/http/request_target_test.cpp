#include "http/request_target.h"

#include <gmock/gmock.h>

namespace keyrewind::http {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

TEST(RequestTarget, IsSplitAndDecoded) {
  const auto target = parse_request_target("/api/v1/backups?label=team%3Dcore&since=a+b&flag");

  ASSERT_TRUE(target);
  EXPECT_THAT(target->segments, ElementsAre("api", "v1", "backups"));
  EXPECT_THAT(target->query,
              ElementsAre(Pair("label", "team=core"), Pair("since", "a b"), Pair("flag", "")));
  EXPECT_EQ(target->parameter("label"), "team=core");
  EXPECT_EQ(target->parameter("other"), std::nullopt);
}

TEST(RequestTarget, OfTheRootHasNoSegment) {
  EXPECT_THAT(parse_request_target("/")->segments, IsEmpty());
  EXPECT_THAT(parse_request_target("/?a=b")->segments, IsEmpty());
}

TEST(RequestTarget, KeepsAPlusInThePath) {
  EXPECT_THAT(parse_request_target("/a+b/%C3%A4:run")->segments, ElementsAre("a+b", "ä:run"));
}

class RequestTargetTrick : public testing::TestWithParam<const char*> {};

TEST_P(RequestTargetTrick, IsRefused) {
  EXPECT_EQ(parse_request_target(GetParam()), std::nullopt);
}

INSTANTIATE_TEST_SUITE_P(All, RequestTargetTrick,
                         testing::Values("", "*", "http://host/", "api", "//", "//api", "/api//v1",
                                         "/api/", "/.", "/..", "/api/../etc/passwd",
                                         "/api/%2e%2e/etc", "/api/%2E%2e/etc", "/api/.%2e",
                                         "/api%2fv1", "/api%5cv1", "/api\\v1", "/%00", "/a%00b",
                                         "/a%0d%0ab", "/%", "/%2", "/%zz", "/%c0%ae%c0%ae", "/%ff",
                                         "/%ed%a0%80", "/a?b=%00", "/a?b=%f", "/a b\x01"));

TEST(RequestTarget, ThatIsTooLongIsRefused) {
  EXPECT_TRUE(parse_request_target("/" + std::string(kLongestTarget - 1, 'a')));
  EXPECT_FALSE(parse_request_target("/" + std::string(kLongestTarget, 'a')));
}

}  // namespace
}  // namespace keyrewind::http
