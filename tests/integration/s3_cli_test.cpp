// The command line against an S3 store, as a configuration names it.

#include "support/dataset.h"
#include "support/keyrewind.h"
#include "support/redis_server.h"
#include "support/s3_servers.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace keyrewind::test {
namespace {

using testing::HasSubstr;
using testing::Not;

class S3Cli : public testing::Test {
 protected:
  void SetUp() override {
    require_rgw();
    if (IsSkipped() || HasFatalFailure()) {
      return;
    }
    require_server("valkey-server-8.1");
    if (IsSkipped() || HasFatalFailure()) {
      return;
    }
    server_.emplace(ServerOptions{.program = "valkey-server-8.1"});
    counts_ = fill(*server_, {.scale = 100});
    keyrewind_.emplace(server_->url());
    bucket_.emplace(S3Server::rgw().new_bucket());
    write_text(secret_file(), S3Server::rgw().secret_key() + "\n");
    configure();
  }

  /// The repository in the bucket, and a copy of that name beside it.
  void configure(const std::string& more = "") const {
    keyrewind().configure(fmt::format(
        "version: 1\n"
        "source: {{name: orders, address: '{}'}}\n"
        "repository: {{url: 's3://{}/prod', s3: {}}}\n"
        "copies: [{{name: dr, url: 's3://{}/dr', s3: {}}}]\n{}",
        server_->url(), bucket_->name(), s3_options(), bucket_->name(), s3_options(), more));
  }

  std::string s3_options() const {
    return fmt::format(
        "{{endpoint: '{}', path_style: true, region: us-east-1, access_key_id: {}, "
        "secret_access_key_file: {}}}",
        S3Server::rgw().endpoint(), S3Server::rgw().access_key(), secret_file().string());
  }

  std::filesystem::path secret_file() const { return keyrewind_->folder() / "secret"; }
  const Keyrewind& keyrewind() const { return *keyrewind_; }
  const S3Bucket& bucket() const { return *bucket_; }
  const DatasetCounts& counts() const { return counts_; }

 private:
  std::optional<RedisServer> server_;
  std::optional<Keyrewind> keyrewind_;
  std::optional<S3Bucket> bucket_;
  DatasetCounts counts_;
};

TEST_F(S3Cli, BacksUpListsAndVerifies) {
  const std::string id = keyrewind().backup();

  EXPECT_EQ(keyrewind().json({"list"})["backups"][0]["id"], id);
  EXPECT_EQ(keyrewind().json({"show"})["keys"], counts().keys);
  EXPECT_EQ(keyrewind().run({"verify"}).status, 0);
  for (const std::string& key : bucket().keys()) {
    EXPECT_THAT(key, testing::StartsWith("prod/"));
  }
  EXPECT_THAT(bucket().uploads(), testing::IsEmpty());
}

TEST_F(S3Cli, ReadsACopyByItsName) {
  keyrewind().backup();

  EXPECT_EQ(keyrewind().run({"list", "--repository", "dr"}).status, 0);
  EXPECT_EQ(keyrewind().run({"show", "--repository", "dr"}).status, 4);
  const RunResult unknown = keyrewind().run({"list", "--repository", "usb"});
  EXPECT_EQ(unknown.status, 2);
  EXPECT_THAT(unknown.err, HasSubstr("there are: primary, dr"));
}

TEST_F(S3Cli, NeverPrintsASecret) {
  std::vector<RunResult> results{keyrewind().run({"backup", "-v"}), keyrewind().run({"list", "-v"}),
                                 keyrewind().run({"config", "show"})};
  write_text(secret_file(), "wrong" + S3Server::rgw().secret_key());
  results.push_back(keyrewind().run({"list", "-v"}));

  EXPECT_EQ(results.back().status, 5);
  for (const RunResult& result : results) {
    EXPECT_THAT(result.out, Not(HasSubstr(S3Server::rgw().secret_key())));
    EXPECT_THAT(result.err, Not(HasSubstr(S3Server::rgw().secret_key())));
  }
}

}  // namespace
}  // namespace keyrewind::test
