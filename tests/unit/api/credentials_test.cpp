#include "api/credentials.h"

#include "api/attempts.h"
#include "api/base64.h"
#include "base/error.h"
#include "support/temp_dir.h"

#include <gmock/gmock.h>

#include <fstream>

namespace keyrewind::api {
namespace {

using testing::HasSubstr;

const std::string kToken = "0123456789abcdef0123456789abcdef";
/// Of "correct horse".
const std::string kHash = "$2y$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2";

class CredentialsTest : public testing::Test {
 protected:
  void write(const std::string& name, const std::string& text) {
    // A new file each time, as a mounted secret is replaced.
    std::ofstream(folder_ / "new") << text;
    std::filesystem::rename(folder_ / "new", folder_ / name);
  }
  Credentials credentials() {
    return Credentials({.bearer_token = folder_ / "token", .basic_users = folder_ / "users"});
  }
  std::string problem_of(const std::string& users, const std::string& token) {
    write("users", users);
    write("token", token);
    try {
      credentials();
      return "";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::config);
      return error.what();
    }
  }

  const test::TempDir folder_;
};

TEST_F(CredentialsTest, LetsInWhoHasTheTokenOrAPassword) {
  write("token", kToken + "\n");
  write("users", "# people\nann:" + kHash + "\n\n");
  Credentials credentials = this->credentials();

  EXPECT_TRUE(credentials.allow("Bearer " + kToken));
  EXPECT_TRUE(credentials.allow("bearer  " + kToken));
  EXPECT_TRUE(credentials.allow("Basic YW5uOmNvcnJlY3QgaG9yc2U="));
  EXPECT_TRUE(credentials.allow("Basic YW5uOmNvcnJlY3QgaG9yc2U="));
}

TEST_F(CredentialsTest, LetsNobodyElseIn) {
  write("token", kToken);
  write("users", "ann:" + kHash);
  Credentials credentials = this->credentials();

  for (const std::string& value :
       {std::string(), std::string("Bearer"), std::string("Bearer "), "Bearer " + kToken + "0",
        "Bearer " + kToken.substr(1), "Token " + kToken, kToken, std::string("Basic YW5uOndyb25n"),
        std::string("Basic Ym9iOmNvcnJlY3QgaG9yc2U="), std::string("Basic YW5u"),
        std::string("Basic %%%%"), std::string("Basic "), std::string("Basic Og=="),
        std::string("Basic YW5uOmNvcnJlY3QgaG9yc2UA")}) {
    EXPECT_FALSE(credentials.allow(value)) << value;
  }
}

TEST_F(CredentialsTest, FollowTheFiles) {
  write("token", kToken);
  write("users", "ann:" + kHash);
  Credentials credentials = this->credentials();
  ASSERT_TRUE(credentials.allow("Basic YW5uOmNvcnJlY3QgaG9yc2U="));

  const std::string rotated = "fedcba9876543210fedcba9876543210";
  write("token", rotated);
  write("users", "bob:" + kHash);

  EXPECT_FALSE(credentials.allow("Bearer " + kToken));
  EXPECT_TRUE(credentials.allow("Bearer " + rotated));
  EXPECT_FALSE(credentials.allow("Basic YW5uOmNvcnJlY3QgaG9yc2U="));
  EXPECT_TRUE(credentials.allow("Basic Ym9iOmNvcnJlY3QgaG9yc2U="));
}

TEST_F(CredentialsTest, AreNobodysWhileTheFileIsBroken) {
  write("token", kToken);
  write("users", "ann:" + kHash);
  Credentials credentials = this->credentials();

  write("token", "short");
  EXPECT_FALSE(credentials.allow("Bearer " + kToken));
  EXPECT_FALSE(credentials.allow("Bearer short"));

  std::filesystem::remove(folder_ / "token");
  EXPECT_FALSE(credentials.allow("Bearer " + kToken));

  write("token", kToken);
  EXPECT_TRUE(credentials.allow("Bearer " + kToken));
}

TEST_F(CredentialsTest, NameTheLineThatIsWrong) {
  EXPECT_EQ(problem_of("ann:" + kHash, kToken), "");
  EXPECT_THAT(problem_of("ann:" + kHash + "\nbob:{SHA}x", kToken), HasSubstr("line 2"));
  EXPECT_THAT(problem_of("ann", kToken), HasSubstr("line 1"));
  EXPECT_THAT(problem_of(":" + kHash, kToken), HasSubstr("line 1"));
  EXPECT_THAT(problem_of("ann:" + kHash, "short"), HasSubstr("token"));
  EXPECT_THAT(problem_of("ann:" + kHash, "short"), testing::Not(HasSubstr("short\"")));
}

TEST_F(CredentialsTest, WithoutFilesNothingIsValid) {
  Credentials none({});

  EXPECT_FALSE(none.are_configured());
  EXPECT_FALSE(none.allow("Bearer "));
  EXPECT_FALSE(none.allow("Basic Og=="));
}

TEST(Base64, IsReadStrictly) {
  EXPECT_EQ(from_base64(""), "");
  EXPECT_EQ(from_base64("Zg=="), "f");
  EXPECT_EQ(from_base64("Zm8="), "fo");
  EXPECT_EQ(from_base64("Zm9v"), "foo");
  EXPECT_EQ(from_base64("Zm9vYmFy"), "foobar");
  for (const char* text : {"Z", "Zg", "Zg=", "Zh==", "Zm9=", "====", "Zm9v\n", "Zm_v", "=Zg="}) {
    EXPECT_EQ(from_base64(text), std::nullopt) << text;
  }
}

TEST(Attempts, AreHeldBackTheLongerTheMoreFail) {
  Attempts attempts;
  const Attempts::Time now{};

  EXPECT_EQ(attempts.fail("a", now) - now, std::chrono::milliseconds(250));
  EXPECT_EQ(attempts.fail("a", now) - now, std::chrono::milliseconds(500));
  for (int i = 0; i < 5; ++i) {
    attempts.fail("a", now);
  }
  EXPECT_EQ(attempts.fail("a", now) - now, std::chrono::seconds(4));
  EXPECT_EQ(attempts.fail("b", now) - now, std::chrono::milliseconds(250));
  EXPECT_TRUE(attempts.are_too_many("a"));
  EXPECT_FALSE(attempts.are_too_many("b"));

  attempts.told("a");
  EXPECT_FALSE(attempts.are_too_many("a"));
}

TEST(Attempts, AreForgottenAfterAMinute) {
  Attempts attempts;
  const Attempts::Time now{};
  attempts.fail("a", now);
  attempts.fail("a", now);
  attempts.told("a");
  attempts.told("a");

  const Attempts::Time later = now + std::chrono::minutes(2);
  EXPECT_EQ(attempts.fail("a", later) - later, std::chrono::milliseconds(250));
}

TEST(Attempts, OfAllTogetherAreBounded) {
  Attempts attempts;
  for (int i = 0; i < 64; ++i) {
    attempts.fail(std::to_string(i), {});
  }

  EXPECT_TRUE(attempts.are_too_many("somebody else"));
}

}  // namespace
}  // namespace keyrewind::api
