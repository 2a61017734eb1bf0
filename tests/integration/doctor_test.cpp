// The doctor with real servers: rights command by command, and a real store's refusals.

#include "support/keyrewind.h"
#include "support/redis_server.h"
#include "support/s3_servers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace keyrewind::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class DoctorRights : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { require_server(GetParam()); }

  static std::string yaml(const RedisServer& source, const Keyrewind& user) {
    return "version: 1\nsource:\n  name: orders\n  address: " + source.url() +
           "\n  username: backup\n  password_file: " + (user.folder() / "password").string() +
           "\nrepository:\n  url: file://" + user.repository().string() +
           "\nlog:\n  spool:\n    dir: " + (user.folder() / "spool").string() + "\n";
  }
};

INSTANTIATE_TEST_SUITE_P(Servers, DoctorRights, testing::ValuesIn(all_servers()),
                         [](const auto& server) { return to_test_name(server.param); });

TEST_P(DoctorRights, AreTriedOneByOneWithoutAFullSync) {
  RedisServer source({.program = GetParam()});
  const Keyrewind user(source.url(), "", RepositoryKind::file);
  write_text(user.folder() / "password", "secret");
  user.configure(yaml(source, user));

  source.cli({"ACL", "SETUSER", "backup", "on", ">secret", "+replconf"});
  const RunResult lacking = user.run({"doctor"});
  EXPECT_EQ(lacking.status, 6) << lacking.out;
  EXPECT_THAT(lacking.out, HasSubstr("backup lacks +psync"));
  EXPECT_THAT(lacking.out, HasSubstr("run: ACL SETUSER backup +psync"));
  EXPECT_THAT(lacking.out, HasSubstr("backup lacks +info"));

  source.cli({"ACL", "SETUSER", "backup", "+psync", "+info", "+config|get", "+acl|list"});
  const RunResult granted = user.run({"doctor"});
  EXPECT_EQ(granted.status, 0) << granted.out;
  EXPECT_THAT(granted.out,
              AllOf(HasSubstr("backup has +psync +replconf +info +config|get +acl|list"),
                    Not(HasSubstr("lacks"))));
  EXPECT_EQ(source.info("sync_full"), "0");
}

TEST(DoctorOfABucket, NamesEachPermissionThatIsMissing) {
  require_server("valkey-server-8.1");
  require_rgw();
  RedisServer source({.program = "valkey-server-8.1"});
  const Keyrewind user(source.url(), "", RepositoryKind::s3);
  EXPECT_EQ(user.run({"doctor"}).status, 0) << user.run({"doctor"}).out;
  user.backup();

  const S3Bucket& bucket = *user.store().bucket();
  bucket.set_policy(R"({"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*",)"
                    R"("Action":["s3:DeleteObject"],"Resource":["arn:aws:s3:::)" +
                    bucket.name() + R"(/*"]}]})");
  const RunResult denied = user.run({"doctor"});
  EXPECT_EQ(denied.status, 5) << denied.out;
  EXPECT_THAT(denied.out, AllOf(HasSubstr("problem"), HasSubstr("s3:DeleteObject"),
                                HasSubstr("works: put, get")));
  bucket.set_policy("");
}

TEST(DoctorOfABucket, SaysThatItIsNotThere) {
  require_server("valkey-server-8.1");
  require_rgw();
  RedisServer source({.program = "valkey-server-8.1"});
  Keyrewind user(source.url(), "", RepositoryKind::s3);
  std::string yaml = read_text(user.config_file());
  const std::string bucket = user.store().bucket()->name();
  yaml.replace(yaml.find(bucket), bucket.size(), "no-such-bucket-here");
  user.configure(yaml);
  const RunResult result = user.run({"doctor"});
  EXPECT_EQ(result.status, 5) << result.out;
  EXPECT_THAT(result.out, HasSubstr("bucket no-such-bucket-here does not exist"));
}

}  // namespace
}  // namespace keyrewind::test
