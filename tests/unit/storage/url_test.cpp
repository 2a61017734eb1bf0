#include "storage/url.h"

#include "base/error.h"

#include <gmock/gmock.h>

namespace keyrewind::storage {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string failure_of(const std::string& url) {
  try {
    parse_url(url);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::config);
    EXPECT_EQ(error.side(), Side::here);
    return error.what();
  }
  return "no failure";
}

std::string folder_of(const std::string& url) {
  return std::get<FolderUrl>(parse_url(url)).folder;
}

TEST(ParseUrl, TakesAFolderAsItStands) {
  EXPECT_EQ(folder_of("file:///var/backups"), "/var/backups");
  EXPECT_EQ(folder_of("file:///var/backups//"), "/var/backups");
  EXPECT_EQ(folder_of("file:///a%20b/../c"), "/a%20b/../c");
}

TEST(ParseUrl, RefusesFoldersThatAreNone) {
  EXPECT_EQ(failure_of("file://var/backups"),
            "'file://var/backups' has no absolute path after file://; write it like "
            "file:///var/lib/keyrewind/repository");
  EXPECT_THAT(failure_of("file://"), HasSubstr("no absolute path"));
  EXPECT_THAT(failure_of("file:////"), HasSubstr("names the root"));
  EXPECT_THAT(failure_of("file:///a\nb"), HasSubstr("holds a control character"));
}

TEST(ParseUrl, TakesABucketAndAPrefix) {
  for (const char* url : {"s3://backups", "s3://backups/"}) {
    const auto place = std::get<BucketUrl>(parse_url(url));
    EXPECT_EQ(place.bucket, "backups");
    EXPECT_EQ(place.prefix, "");
  }
  for (const char* url : {"s3://back.ups-1/a/b=c_d", "s3://back.ups-1/a/b=c_d//"}) {
    const auto place = std::get<BucketUrl>(parse_url(url));
    EXPECT_EQ(place.bucket, "back.ups-1");
    EXPECT_EQ(place.prefix, "a/b=c_d");
  }
}

TEST(ParseUrl, RefusesBucketsAgainstTheNamingRules) {
  for (const char* bucket : {"ab", "Backups", "back_ups", "-backups", "backups-", ".backups",
                             "back..ups", "192.168.0.1", "back ups", "büro"}) {
    EXPECT_THAT(failure_of("s3://" + std::string(bucket) + "/prod"),
                HasSubstr("names no valid bucket"))
        << bucket;
  }
  EXPECT_THAT(failure_of("s3://" + std::string(64, 'a')), HasSubstr("names no valid bucket"));
  EXPECT_THAT(failure_of("s3://"), HasSubstr("names no bucket"));
  EXPECT_THAT(failure_of("s3:///prod"), HasSubstr("names no bucket"));
}

TEST(ParseUrl, RefusesPrefixesThatAreNoNames) {
  for (const char* prefix : {"a//b", "a/../b", "a b", "ü", "a\\b", "a\nb", "a+b"}) {
    EXPECT_THAT(failure_of("s3://bucket/" + std::string(prefix)), HasSubstr("has a prefix that"))
        << prefix;
  }
  EXPECT_THAT(failure_of("s3://bucket/" + std::string(257, 'a')), HasSubstr("256 bytes"));
}

TEST(ParseUrl, RefusesWhatOnlyOtherUrlsHave) {
  EXPECT_THAT(failure_of("s3://bucket/a%20b"), HasSubstr("has a percent sign"));
  EXPECT_EQ(failure_of("s3://bucket/a?region=hunter2"),
            "'s3://bucket/a' has a query or a fragment; write it like s3://bucket/prefix, and "
            "region and endpoint as options of their own");
  EXPECT_THAT(failure_of("s3://bucket#a"), HasSubstr("has a query or a fragment"));
  EXPECT_THAT(failure_of("gs://bucket?key=hunter2"), Not(HasSubstr("hunter2")));
}

TEST(ParseUrl, NeverRepeatsKeysInAUrl) {
  for (const char* url :
       {"s3://AKEY:hunter2@bucket/a", "s3://bucket@hunter2/a", "https://AKEY:hunter2@h/bucket"}) {
    EXPECT_THAT(failure_of(url), HasSubstr("has a user name or an '@'")) << url;
    EXPECT_THAT(failure_of(url), Not(HasSubstr("hunter2"))) << url;
  }
}

TEST(ParseUrl, NamesWhatItKnows) {
  EXPECT_EQ(failure_of("azure://x"),
            "'azure://x' is of a kind that this Keyrewind doesn't know: file:// and s3:// are; "
            "write it like file:///var/lib/keyrewind/repository or s3://bucket/prefix");
  EXPECT_THAT(failure_of(""), HasSubstr("is empty"));
  EXPECT_THAT(failure_of("/var/backups"), HasSubstr("is of a kind"));
  EXPECT_THAT(failure_of("S3://bucket"), HasSubstr("is of a kind"));
}

TEST(CheckEndpoint, TakesHostAndPortOnly) {
  for (const char* good : {"https://h", "http://10.0.0.1:9000", "https://[::1]", "https://[::1]:1",
                           "https://a-b.c_d.example.com:65535"}) {
    EXPECT_NO_THROW(check_endpoint(good)) << good;
  }
  for (const char* bad : {"", "h", "ftp://h", "https://", "https://:1", "https://h:", "https://h:0",
                          "https://h:65536", "https://h/", "https://h?a", "https://h#a",
                          "https://u@h", "https://[::1", "https://[]:1", "https://[::1]x",
                          "https://h:1:2", "https://h%2f", "HTTPS://h"}) {
    EXPECT_THROW(check_endpoint(bad), Error) << bad;
  }
}

}  // namespace
}  // namespace keyrewind::storage
