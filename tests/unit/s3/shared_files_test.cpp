#include "s3/shared_files.h"

#include "base/error.h"
#include "support/temp_dir.h"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <map>

namespace keyrewind::s3 {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

Profiles parse(std::string_view text, SharedFileKind kind = SharedFileKind::credentials) {
  return parse_shared_file(text, kind, "the file");
}

Error failure(std::string_view text, SharedFileKind kind = SharedFileKind::credentials) {
  try {
    parse(text, kind);
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "nothing was thrown";
  return {ErrorKind::internal, ""};
}

TEST(SharedFile, ReadsProfilesWithTheirSettings) {
  const Profiles profiles = parse(
      "# written by hand\n"
      "[default]\n"
      "aws_access_key_id = AKIDONE\n"
      "AWS_Secret_Access_Key=abc/def+ghi==\n"
      "\n"
      "; another\n"
      "[work]\n"
      "\taws_access_key_id\t=\tAKIDTWO  \n");

  ASSERT_EQ(profiles.size(), 2);
  EXPECT_EQ(profiles.at("default").get("aws_access_key_id"), "AKIDONE");
  EXPECT_EQ(profiles.at("default").get("aws_secret_access_key"), "abc/def+ghi==");
  EXPECT_EQ(profiles.at("work").get("aws_access_key_id"), "AKIDTWO");
  EXPECT_EQ(profiles.at("work").get("region"), "");
}

TEST(SharedFile, TakesOnlyProfilesFromTheConfigFile) {
  const Profiles profiles = parse(
      "[default]\nregion = eu-west-1\n"
      "[profile work]\nregion = eu-central-1\n"
      "[profile \"two words\"]\nregion = eu-north-1\n"
      "[work]\nregion = us-east-1\n"
      "[profiles]\nregion = us-east-1\n"
      "[sso-session corp]\nregion = us-east-1\n"
      "[services local]\nsts =\n  endpoint_url = http://localhost\n",
      SharedFileKind::config);

  ASSERT_EQ(profiles.size(), 3);
  EXPECT_EQ(profiles.at("default").get("region"), "eu-west-1");
  EXPECT_EQ(profiles.at("work").get("region"), "eu-central-1");
  EXPECT_EQ(profiles.at("two words").get("region"), "eu-north-1");
}

TEST(SharedFile, PrefersTheDefaultThatIsCalledAProfileWhateverTheOrder) {
  const Profiles profiles =
      parse("[profile default]\nregion = one\n[default]\nregion = two\noutput = json\n",
            SharedFileKind::config);

  EXPECT_EQ(profiles.at("default").get("region"), "one");
  EXPECT_EQ(profiles.at("default").get("output"), "json");
}

TEST(SharedFile, LeavesOutWhatIsIndentedUnderASetting) {
  const Profiles profiles = parse(
      "[default]\n"
      "s3 =\n"
      "    max_concurrent_requests = 20\n"
      "    aws_access_key_id = AKIDNESTED\n"
      "    and no setting at all\n"
      "region = eu-west-1\n");

  EXPECT_EQ(profiles.at("default").get("aws_access_key_id"), "");
  EXPECT_EQ(profiles.at("default").get("region"), "eu-west-1");
}

TEST(SharedFile, ReadsAFileThatIsIndentedAsAWhole) {
  const Profiles profiles = parse("[default]\n  aws_access_key_id = A\n  region = b\n");

  EXPECT_EQ(profiles.at("default").get("aws_access_key_id"), "A");
  EXPECT_EQ(profiles.at("default").get("region"), "b");
}

TEST(SharedFile, EndsAValueWhereACommentBeginsAfterABlank) {
  const Profiles profiles =
      parse("[default] ; ours\na = one # two\nb = one#two\nc = ; nothing\nd = x;y ;z\ne=#1\n");

  const Profile& profile = profiles.at("default");
  EXPECT_EQ(profile.get("a"), "one");
  EXPECT_EQ(profile.get("b"), "one#two");
  EXPECT_EQ(profile.get("c"), "");
  EXPECT_EQ(profile.get("d"), "x;y");
  EXPECT_EQ(profile.get("e"), "#1");
}

TEST(SharedFile, ReadsLineEndsAndMarksOfWindows) {
  const Profiles profiles = parse("\xef\xbb\xbf[default]\r\nregion = eu-west-1\r\n");

  EXPECT_EQ(profiles.at("default").get("region"), "eu-west-1");
}

TEST(SharedFile, TakesTheLastOfWhatIsWrittenTwice) {
  const Profiles profiles = parse("[a]\nx = 1\ny = 2\n[b]\n[a]\nx = 3\n");

  EXPECT_EQ(profiles.at("a").get("x"), "3");
  EXPECT_EQ(profiles.at("a").get("y"), "2");
}

TEST(SharedFile, NamesTheLineThatCannotBeReadAndNeverItsText) {
  for (const auto& [text, what] : std::map<std::string, std::string>{
           {"[default]\naws_secret_access_key SECRETSECRET\n", "line 2 is neither"},
           {"aws_secret_access_key = SECRETSECRET\n", "line 1 is a setting before"},
           {"\n[SECRETSECRET\n", "line 2 is a section without"},
           {"[default]\n = SECRETSECRET\n", "line 2 is a setting without a name"}}) {
    const Error error = failure(text);
    EXPECT_EQ(error.kind(), ErrorKind::config);
    EXPECT_THAT(error.what(),
                AllOf(HasSubstr("the file: "), HasSubstr(what), Not(HasSubstr("SECRET"))));
  }
}

class SharedFilesTest : public testing::Test {
 protected:
  SharedFilesTest() { environment_["HOME"] = dir_.path().string(); }

  SharedFiles read() {
    return read_shared_files(Variables([this](const std::string& name) {
      const auto found = environment_.find(name);
      return found == environment_.end() ? std::nullopt : std::optional(found->second);
    }));
  }

  std::string write(const std::string& name, std::string_view content) {
    std::filesystem::create_directories((dir_ / name).parent_path());
    std::ofstream(dir_ / name) << content;
    return (dir_ / name).string();
  }

  test::TempDir dir_;
  std::map<std::string, std::string> environment_;
};

TEST_F(SharedFilesTest, LetsTheCredentialsFileWin) {
  write(".aws/config", "[default]\nregion = eu-west-1\naws_access_key_id = FROMCONFIG\n");
  write(".aws/credentials", "[default]\naws_access_key_id = FROMCREDENTIALS\n");

  const SharedFiles files = read();

  EXPECT_EQ(files.profiles.at("default").get("aws_access_key_id"), "FROMCREDENTIALS");
  EXPECT_EQ(files.profiles.at("default").get("region"), "eu-west-1");
}

TEST_F(SharedFilesTest, ReadsTheFilesThatVariablesName) {
  environment_["AWS_SHARED_CREDENTIALS_FILE"] = write("keys", "[a]\nx = 1\n");
  write("settings", "[profile b]\nx = 2\n");
  environment_["AWS_CONFIG_FILE"] = "~/settings";

  const SharedFiles files = read();

  EXPECT_EQ(files.profiles.at("a").get("x"), "1");
  EXPECT_EQ(files.profiles.at("b").get("x"), "2");
}

TEST_F(SharedFilesTest, HasNothingIfTheUsualFilesAreNotThere) {
  EXPECT_TRUE(read().profiles.empty());
}

TEST_F(SharedFilesTest, RefusesAFileThatAVariableNamesAndIsNotThere) {
  environment_["AWS_SHARED_CREDENTIALS_FILE"] = (dir_ / "absent").string();

  try {
    read();
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::config);
    EXPECT_THAT(error.what(), AllOf(HasSubstr("AWS_SHARED_CREDENTIALS_FILE"), HasSubstr("absent")));
  }
}

TEST_F(SharedFilesTest, RefusesAFileThatCannotBeRead) {
  std::filesystem::create_directories(dir_ / ".aws/credentials");  // Root may read any file.

  EXPECT_THROW(read(), Error);
}

TEST_F(SharedFilesTest, RefusesAFileThatIsTooLarge) {
  write(".aws/config", std::string((1 << 20) + 1, '#'));

  EXPECT_THROW(read(), Error);
}

TEST_F(SharedFilesTest, TellsWhenAFileWasWrittenReplacedOrAppeared) {
  const std::string keys = write(".aws/credentials", "[a]\nx = 1\n");
  const SharedFiles before = read();
  EXPECT_FALSE(any_changed(before.stamps));

  write(".aws/credentials.new", "[a]\nx = 2\n");
  std::filesystem::rename(dir_ / ".aws/credentials.new", keys);
  EXPECT_TRUE(any_changed(before.stamps));

  const SharedFiles replaced = read();
  EXPECT_FALSE(any_changed(replaced.stamps));
  write(".aws/config", "");
  EXPECT_TRUE(any_changed(replaced.stamps));
}

}  // namespace
}  // namespace keyrewind::s3
