#include "config/storage_options.h"

#include "base/error.h"
#include "samples.h"
#include "support/temp_dir.h"

#include <gmock/gmock.h>

#include <fstream>

namespace keyrewind::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

/// The example of the age specification's test kit.
constexpr const char* kIdentity =
    "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";

class ToStorageOptions : public testing::Test {
 protected:
  ToStorageOptions() {
    config_.repository.url = "s3://backups/prod";
    config_.copies.resize(1);
    config_.copies[0].name = "dr";
    config_.copies[0].url = "file:///srv/copy";
  }

  std::string write(const std::string& text) const {
    std::ofstream(file_) << text;
    return file_;
  }

  storage::StorageOptions options(const std::string& name = "primary",
                                  Identities identities = Identities::none) const {
    return to_storage_options(config_, name, identities);
  }

  std::string failure(const std::string& name = "primary",
                      Identities identities = Identities::none) const {
    try {
      options(name, identities);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::config);
      return error.what();
    }
    return "no failure";
  }

  const test::TempDir dir_;
  const std::string file_ = dir_ / "secret";
  Config config_;
};

TEST_F(ToStorageOptions, HasWhatTheConfigurationSays) {
  auto& repository = config_.repository;
  repository.connections = 9;
  repository.retry_time = std::chrono::seconds(7);
  repository.s3 = {.endpoint = "https://h:1",
                   .region = "r",
                   .path_style = true,
                   .access_key_id = "AK",
                   .secret_access_key = Secret("hunter2"),
                   .session_token = Secret("hunter3"),
                   .server_side_encryption = "aws:kms",
                   .kms_key_id = "k",
                   .storage_class = "STANDARD_IA",
                   .tags = {"team=storage", "why=a=b"},
                   .object_lock_mode = "GOVERNANCE",
                   .object_lock_duration = std::chrono::milliseconds(86'400'001),
                   .ca_file = "/ca"};
  config_.encryption.recipients = {kRecipient, kOtherRecipient};
  config_.lease = {.enabled = false, .ttl = std::chrono::seconds(5)};

  const auto made = options();

  EXPECT_EQ(made.url, "s3://backups/prod");
  EXPECT_EQ(made.s3.endpoint, "https://h:1");
  EXPECT_EQ(made.s3.region, "r");
  EXPECT_TRUE(made.s3.path_style);
  EXPECT_EQ(made.s3.credentials.access_key_id, "AK");
  EXPECT_EQ(made.s3.credentials.secret_access_key.reveal(), "hunter2");
  EXPECT_EQ(made.s3.credentials.session_token.reveal(), "hunter3");
  EXPECT_EQ(made.s3.credentials.region, "r");
  EXPECT_EQ(made.s3.server_side_encryption, "aws:kms");
  EXPECT_EQ(made.s3.kms_key_id, "k");
  EXPECT_EQ(made.s3.storage_class, "STANDARD_IA");
  EXPECT_EQ(made.s3.tags,
            (std::map<std::string, std::string>{{"team", "storage"}, {"why", "a=b"}}));
  EXPECT_EQ(made.s3.object_lock_mode, "GOVERNANCE");
  EXPECT_EQ(made.s3.object_lock_duration, std::chrono::seconds(86401));
  EXPECT_EQ(made.s3.ca_file, "/ca");
  EXPECT_EQ(made.s3.connections, 9U);
  EXPECT_EQ(made.s3.retry_time, std::chrono::seconds(7));
  EXPECT_FALSE(made.s3.locks);
  EXPECT_EQ(made.s3.lock_ttl, std::chrono::seconds(5));
  ASSERT_THAT(made.recipients, SizeIs(2));
  EXPECT_EQ(made.recipients[1].text(), kOtherRecipient);
}

TEST_F(ToStorageOptions, FindsACopyByItsName) {
  EXPECT_EQ(options("dr").url, "file:///srv/copy");
  EXPECT_THAT(repository_names(config_), ElementsAre("primary", "dr"));
  EXPECT_EQ(failure("usb"), "there is no repository 'usb'; there are: primary, dr");
}

TEST_F(ToStorageOptions, LooksIntoTheEnvironmentOfTheProcess) {
  const auto environment = options().s3.credentials.environment;

  EXPECT_TRUE(environment("PATH").has_value());
  EXPECT_FALSE(environment("KEYREWIND_THAT_IS_NOT_SET").has_value());
}

TEST_F(ToStorageOptions, ReadsACustomerKeyOfBytesOrBase64) {
  config_.repository.s3.server_side_encryption = "SSE-C";
  config_.repository.s3.customer_key_file = file_;

  write(std::string(31, '\x07') + "\n");
  EXPECT_EQ(options().s3.customer_key.reveal(), std::string(31, '\x07') + "\n");

  write("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n");
  std::string counted;
  for (char c = 0; c < 32; ++c) {
    counted += c;
  }
  EXPECT_EQ(options().s3.customer_key.reveal(), counted);
}

TEST_F(ToStorageOptions, SaysWhatIsWrongWithACustomerKeyAndDoesNotShowIt) {
  config_.repository.s3.customer_key_file = file_;
  for (const char* bad : {"hunter2", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh=8",
                          "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHhhunter2"}) {
    write(bad);
    EXPECT_THAT(failure(), testing::StartsWith("repository.s3.customer_key_file: " + file_ +
                                               " holds no key of 32 bytes; make one with"));
    EXPECT_THAT(failure(), Not(HasSubstr("hunter2")));
  }
  write("");
  EXPECT_THAT(failure(), HasSubstr(" is empty"));

  config_.repository.s3.customer_key_file = "";
  config_.copies[0].s3.customer_key_file = dir_ / "missing";
  EXPECT_THAT(failure("dr"), testing::StartsWith("copies.0.s3.customer_key_file: "));
}

TEST_F(ToStorageOptions, ReadsIdentitiesOnlyWhereTheyAreWanted) {
  config_.encryption.identity_file = write("# created: today\n" + std::string(kIdentity) + "\n");

  EXPECT_THAT(options("primary", Identities::none).identities, IsEmpty());
  EXPECT_THAT(options("primary", Identities::if_available).identities, SizeIs(1));
  EXPECT_THAT(options("dr", Identities::required).identities, SizeIs(1));
}

TEST_F(ToStorageOptions, MissesAnIdentityFileOnlyWhereItIsRequired) {
  config_.encryption.identity_file = dir_ / "missing";

  EXPECT_THAT(options("primary", Identities::none).identities, IsEmpty());
  EXPECT_THAT(options("primary", Identities::if_available).identities, IsEmpty());
  EXPECT_THAT(failure("primary", Identities::required),
              testing::AllOf(testing::StartsWith("encryption.identity_file: "),
                             HasSubstr("missing: No such file or directory")));

  config_.encryption.identity_file = "";
  EXPECT_THAT(options("primary", Identities::required).identities, IsEmpty());
}

TEST_F(ToStorageOptions, NeverRepeatsWhatAnIdentityFileHolds) {
  config_.encryption.identity_file = write("hunter2\n");

  const std::string message = failure("primary", Identities::required);

  EXPECT_THAT(message, HasSubstr(file_));
  EXPECT_THAT(message, Not(HasSubstr("hunter2")));
}

}  // namespace
}  // namespace keyrewind::config
