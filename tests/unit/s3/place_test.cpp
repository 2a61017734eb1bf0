#include "s3/place.h"

#include "base/error.h"
#include "s3/s3_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace keyrewind::s3 {
namespace {

S3Options options(const std::string& endpoint, const std::string& bucket = "backups") {
  S3Options options;
  options.bucket = bucket;
  options.prefix = "prod/redis";
  options.endpoint = endpoint;
  options.region = "eu-central-1";
  return options;
}

TEST(Place, IsAtAwsUnlessToldOtherwise) {
  const Place place(options(""));

  EXPECT_TRUE(place.is_aws());
  EXPECT_EQ(place.request_url("prod/redis/a", {}),
            "https://backups.s3.eu-central-1.amazonaws.com/prod/redis/a");
  EXPECT_EQ(place.request_url("", {}), "https://backups.s3.eu-central-1.amazonaws.com/");
}

TEST(Place, HasADomainOfItsOwnInChina) {
  S3Options chinese = options("");
  chinese.region = "cn-north-1";

  EXPECT_EQ(Place(chinese).request_url("", {}), "https://backups.s3.cn-north-1.amazonaws.com.cn/");
  EXPECT_TRUE(Place(chinese).is_aws());
}

TEST(Place, NamesTheBucketInHostOrPath) {
  S3Options path_style = options("https://minio.example:9000/");
  path_style.path_style = true;

  EXPECT_EQ(Place(options("https://minio.example:9000")).request_url("a", {}),
            "https://backups.minio.example:9000/a");
  EXPECT_EQ(Place(path_style).request_url("a", {}), "https://minio.example:9000/backups/a");
  EXPECT_FALSE(Place(path_style).is_aws());
}

TEST(Place, NamesTheBucketInThePathWhereTheHostCannot) {
  EXPECT_EQ(Place(options("http://127.0.0.1:9000")).request_url("a", {}),
            "http://127.0.0.1:9000/backups/a");
  EXPECT_EQ(Place(options("http://[::1]:9000")).request_url("a", {}),
            "http://[::1]:9000/backups/a");
  EXPECT_EQ(Place(options("", "my.backups")).request_url("a", {}),
            "https://s3.eu-central-1.amazonaws.com/my.backups/a");
}

TEST(Place, KeepsThePathOfAnEndpoint) {
  EXPECT_EQ(Place(options("https://storage.example/s3")).request_url("a", {}),
            "https://backups.storage.example/s3/a");
}

TEST(Place, EncodesKeysAndQueriesStrictly) {
  const Place place(options("http://127.0.0.1:9000"));

  EXPECT_EQ(place.request_url("a b/c=d+e", {{"prefix", "x/y z"}, {"uploads", ""}}),
            "http://127.0.0.1:9000/backups/a%20b/c%3Dd%2Be?prefix=x%2Fy%20z&uploads=");
}

TEST(Place, TurnsNamesIntoKeysAndBack) {
  const Place place(options(""));
  S3Options root = options("");
  root.prefix = "";

  EXPECT_EQ(place.url(), "s3://backups/prod/redis");
  EXPECT_EQ(place.key("a/b"), "prod/redis/a/b");
  EXPECT_EQ(place.name("prod/redis/a/b"), "a/b");
  EXPECT_EQ(place.name("prod/redisa"), std::nullopt);
  EXPECT_EQ(Place(root).url(), "s3://backups");
  EXPECT_EQ(Place(root).key("a"), "a");
  EXPECT_EQ(Place(root).name("a"), "a");
}

TEST(Place, TakesTheRegionFromTheEnvironmentUnlessToldOtherwise) {
  S3Options ambient = options("");
  ambient.region = "";
  EXPECT_EQ(Place(ambient).region(), "us-east-1");

  ambient.credentials.environment = [](const std::string& name) {
    return name == "AWS_REGION" ? std::optional<std::string>("ap-south-1") : std::nullopt;
  };

  EXPECT_EQ(Place(ambient).region(), "ap-south-1");
  EXPECT_EQ(Place(options("")).region(), "eu-central-1");
}

TEST(Place, RefusesWhatIsNoBucketAndNoEndpoint) {
  for (const char* bucket : {"", "ab", "a b c", "a/b", "a..b",
                             "b\xc3\xbc"
                             "cket"}) {
    EXPECT_THROW(Place(options("", bucket)), Error) << bucket;
  }
  for (const char* endpoint :
       {"minio:9000", "ftp://minio", "https://", "https://minio?x", "https://user:key@minio"}) {
    try {
      const Place place(options(endpoint));
      ADD_FAILURE() << endpoint;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::config);
      EXPECT_THAT(error.what(), testing::Not(testing::HasSubstr("user:key")));
    }
  }
}

}  // namespace
}  // namespace keyrewind::s3
