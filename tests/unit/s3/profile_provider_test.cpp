#include "s3/signer.h"
#include "unit/s3/chain_fixture.h"

namespace keyrewind::s3 {
namespace {

using test::HttpAnswer;
using test::HttpRequest;
using test::HttpServer;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class ProfileTest : public ChainTest {
 protected:
  void write_keys(std::string_view profile, std::string_view id, std::string_view more = "") {
    keys_ += fmt::format("[{}]\naws_access_key_id = {}\naws_secret_access_key = {}\n{}\n", profile,
                         id, kSecretKey, more);
    write(".aws/credentials", keys_);
  }

  void write_config(std::string_view text) { write(".aws/config", text); }

  /// STS that gives "ASIA0", "ASIA1", … for whatever role.
  HttpServer::Handler roles() {
    return [this, n = 0](const HttpRequest&) mutable {
      return HttpAnswer{.body = sts_answer("AssumeRole", fmt::format("ASIA{}", n++))};
    };
  }

  CredentialOptions with_profile(const std::string& name) {
    CredentialOptions made = options();
    made.profile = name;
    return made;
  }

  std::string keys_;
};

std::string form_value(const HttpRequest& request, const std::string& name) {
  const std::string form = "&" + request.body;
  const std::size_t at = form.find("&" + name + "=");
  if (at == std::string::npos) {
    return "";
  }
  const std::size_t begin = at + name.size() + 2;
  return form.substr(begin, form.find('&', begin) - begin);
}

TEST_F(ProfileTest, TakesTheKeysOfTheDefault) {
  write_keys("default", "AKIDDEFAULT", fmt::format("aws_session_token = {}", kSessionToken));

  const Credentials credentials = get();

  EXPECT_EQ(credentials.access_key_id, "AKIDDEFAULT");
  EXPECT_EQ(credentials.secret_access_key.reveal(), kSecretKey);
  EXPECT_EQ(credentials.session_token.reveal(), kSessionToken);
  EXPECT_EQ(credentials.provider, "profile \"default\"");
}

TEST_F(ProfileTest, TakesTheProfileThatTheEnvironmentNames) {
  write_keys("default", "AKIDDEFAULT");
  write_keys("work", "AKIDWORK");
  environment_["AWS_PROFILE"] = "work";

  EXPECT_EQ(get().access_key_id, "AKIDWORK");
}

TEST_F(ProfileTest, TakesTheConfiguredProfileBeforeTheEnvironmentAndNothingElse) {
  write_keys("work", "AKIDWORK");
  environment_["AWS_PROFILE"] = "other";
  environment_["AWS_ACCESS_KEY_ID"] = "AKIDENVIRONMENT";
  environment_["AWS_SECRET_ACCESS_KEY"] = kOtherSecretKey;

  start(with_profile("work"));
  EXPECT_EQ(get().access_key_id, "AKIDWORK");

  write_config("[profile empty]\nregion = eu-west-1\n");
  start(with_profile("empty"));
  const Error error = failure();
  EXPECT_EQ(error.kind(), ErrorKind::config);
  EXPECT_THAT(error.what(), HasSubstr("profile \"empty\" has no credentials"));
}

TEST_F(ProfileTest, RefusesAProfileThatIsNamedAndNotThere) {
  write_keys("default", "AKIDDEFAULT");

  start(with_profile("absent"));
  EXPECT_EQ(failure().kind(), ErrorKind::config);

  environment_["AWS_PROFILE"] = "absent";
  start(options());
  const Error error = failure();
  EXPECT_EQ(error.kind(), ErrorKind::config);
  EXPECT_THAT(error.what(), AllOf(HasSubstr("\"absent\""), HasSubstr(".aws/credentials")));
}

TEST_F(ProfileTest, PassesOverAProfileThatOnlyNamesARegion) {
  write_config("[default]\nregion = eu-west-1\n");
  HttpServer pod({{.body = metadata_answer("ASIAPOD")}});
  environment_["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = pod.url();

  EXPECT_EQ(get().access_key_id, "ASIAPOD");
}

TEST_F(ProfileTest, RefusesKeysThatAreSetByHalf) {
  write(".aws/credentials", "[default]\naws_access_key_id = AKIDHALF\n");
  Error error = failure();
  EXPECT_EQ(error.kind(), ErrorKind::config);
  EXPECT_THAT(error.what(), HasSubstr("has no aws_secret_access_key"));

  write(".aws/credentials", fmt::format("[default]\naws_secret_access_key = {}\n", kSecretKey));
  error = failure();
  EXPECT_THAT(error.what(), HasSubstr("has no aws_access_key_id"));

  write(".aws/credentials",
        fmt::format("[default]\naws_access_key_id = A\naws_secret_access_key = {} {}\n", kSecretKey,
                    kSecretKey));
  EXPECT_THAT(failure().what(), HasSubstr("blanks"));
}

TEST_F(ProfileTest, ReadsTheFilesAgainWhenTheyChange) {
  write_keys("default", "AKIDONE");
  EXPECT_EQ(get().access_key_id, "AKIDONE");

  keys_.clear();
  write_keys("default", "AKIDRENEWED");

  EXPECT_EQ(get().access_key_id, "AKIDRENEWED");
}

TEST_F(ProfileTest, KeepsTheOldKeysWhileTheFileIsHalfWritten) {
  write_keys("default", "AKIDONE");
  get();

  write(".aws/credentials", "[default]\naws_access_key_id = AKIDRENEWED\n");
  EXPECT_EQ(get().access_key_id, "AKIDONE");
  EXPECT_THAT(logged(), HasSubstr("the old ones are used on"));

  keys_.clear();
  write_keys("default", "AKIDRENEWED");
  clock_.advance(std::chrono::seconds(30));
  EXPECT_EQ(get().access_key_id, "AKIDRENEWED");
}

TEST_F(ProfileTest, AssumesARoleAsItsSourceProfile) {
  HttpServer sts(roles());
  environment_["AWS_ENDPOINT_URL_STS"] = sts.url() + "/";
  write_keys("base", "AKIDBASE");
  write_config(
      "[profile backup]\n"
      "role_arn = arn:aws:iam::123456789012:role/backup\n"
      "source_profile = base\n"
      "external_id = id with/blank\n"
      "role_session_name = nightly\n"
      "duration_seconds = 900\n"
      "region = eu-central-1\n");
  environment_["AWS_PROFILE"] = "backup";

  const Credentials credentials = get();

  EXPECT_EQ(credentials.access_key_id, "ASIA0");
  EXPECT_EQ(credentials.session_token.reveal(), kSessionToken);
  EXPECT_EQ(credentials.expires, clock_.now() + std::chrono::hours(1));
  EXPECT_EQ(credentials.provider, "profile \"backup\"");
  const HttpRequest request = sts.last_request();
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.target, "/");
  EXPECT_EQ(form_value(request, "Action"), "AssumeRole");
  EXPECT_EQ(form_value(request, "Version"), "2011-06-15");
  EXPECT_EQ(form_value(request, "RoleArn"), "arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fbackup");
  EXPECT_EQ(form_value(request, "ExternalId"), "id%20with%2Fblank");
  EXPECT_EQ(form_value(request, "RoleSessionName"), "nightly");
  EXPECT_EQ(form_value(request, "DurationSeconds"), "900");
  EXPECT_THAT(
      request.header("authorization"),
      StartsWith("AWS4-HMAC-SHA256 Credential=AKIDBASE/20261120/eu-central-1/sts/aws4_request"));
}

TEST_F(ProfileTest, AssumesRoleAfterRole) {
  HttpServer sts(roles());
  environment_["AWS_ENDPOINT_URL_STS"] = sts.url();
  write_keys("base", "AKIDBASE");
  write_config(
      "[profile one]\nrole_arn = arn:one\nsource_profile = base\n"
      "[profile two]\nrole_arn = arn:two\nsource_profile = one\n");
  environment_["AWS_PROFILE"] = "two";

  EXPECT_EQ(get().access_key_id, "ASIA1");

  ASSERT_EQ(sts.requests().size(), 2);
  EXPECT_EQ(form_value(sts.requests()[0], "RoleArn"), "arn%3Aone");
  EXPECT_THAT(sts.requests()[0].header("authorization"), HasSubstr("Credential=AKIDBASE/"));
  EXPECT_EQ(form_value(sts.requests()[1], "RoleArn"), "arn%3Atwo");
  EXPECT_THAT(sts.requests()[1].header("authorization"), HasSubstr("Credential=ASIA0/"));
  EXPECT_EQ(sts.requests()[1].header("x-amz-security-token"), kSessionToken);
}

TEST_F(ProfileTest, MayBeItsOwnSourceIfItHasKeys) {
  HttpServer sts(roles());
  environment_["AWS_ENDPOINT_URL_STS"] = sts.url();
  write_keys("default", "AKIDSELF", "role_arn = arn:self\nsource_profile = default");

  EXPECT_EQ(get().access_key_id, "ASIA0");
  EXPECT_THAT(sts.last_request().header("authorization"), HasSubstr("Credential=AKIDSELF/"));
}

TEST_F(ProfileTest, RefusesACircleOfSources) {
  write_config(
      "[profile one]\nrole_arn = arn:one\nsource_profile = two\n"
      "[profile two]\nrole_arn = arn:two\nsource_profile = one\n");
  environment_["AWS_PROFILE"] = "one";

  const Error error = failure();

  EXPECT_EQ(error.kind(), ErrorKind::config);
  EXPECT_THAT(error.what(), HasSubstr("circle"));
}

TEST_F(ProfileTest, RefusesASourceThatIsNotThereOrHasNothing) {
  write_config(
      "[profile one]\nrole_arn = arn:one\nsource_profile = absent\n"
      "[profile two]\nrole_arn = arn:two\nsource_profile = empty\n"
      "[profile empty]\nregion = eu-west-1\n");

  start(with_profile("one"));
  EXPECT_THAT(failure().what(), HasSubstr("profile \"absent\" is not in"));
  start(with_profile("two"));
  EXPECT_THAT(failure().what(), HasSubstr("profile \"empty\" has no credentials"));
}

TEST_F(ProfileTest, AssumesARoleAsTheEnvironmentOrTheContainer) {
  HttpServer sts(roles());
  HttpServer pod({{.body = metadata_answer("ASIAPOD")}});
  environment_["AWS_ENDPOINT_URL_STS"] = sts.url();
  environment_["AWS_ACCESS_KEY_ID"] = "AKIDENVIRONMENT";
  environment_["AWS_SECRET_ACCESS_KEY"] = kSecretKey;
  environment_["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = pod.url();
  write_config(
      "[profile one]\nrole_arn = arn:one\ncredential_source = Environment\n"
      "[profile two]\nrole_arn = arn:two\ncredential_source = EcsContainer\n"
      "[profile three]\nrole_arn = arn:three\ncredential_source = Ec2InstanceMetadata\n"
      "[profile four]\nrole_arn = arn:four\ncredential_source = Moon\n");

  start(with_profile("one"));
  get();
  EXPECT_THAT(sts.last_request().header("authorization"), HasSubstr("=AKIDENVIRONMENT/"));
  start(with_profile("two"));
  get();
  EXPECT_THAT(sts.last_request().header("authorization"), HasSubstr("=ASIAPOD/"));
  start(with_profile("three"));
  EXPECT_THAT(failure().what(), HasSubstr("takes its credentials from instance metadata"));
  start(with_profile("four"));
  EXPECT_THAT(failure().what(), HasSubstr("credential_source that is none of"));
}

TEST_F(ProfileTest, TakesATokenFileOfTheProfile) {
  HttpServer sts([&](const HttpRequest&) {
    return HttpAnswer{.body = sts_answer("AssumeRoleWithWebIdentity", "ASIAWEB")};
  });
  environment_["AWS_ENDPOINT_URL_STS"] = sts.url();
  write_config(fmt::format("[profile web]\nrole_arn = arn:web\nweb_identity_token_file = {}\n",
                           write("jwt", kWebToken)));
  start(with_profile("web"));

  EXPECT_EQ(get().access_key_id, "ASIAWEB");
  EXPECT_EQ(form_value(sts.last_request(), "WebIdentityToken"), kWebToken);
  EXPECT_FALSE(sts.last_request().has_header("authorization"));

  std::filesystem::remove(dir_ / "jwt");
  start(with_profile("web"));
  EXPECT_THAT(failure().what(), HasSubstr("profile \"web\", web_identity_token_file"));
}

TEST_F(ProfileTest, SaysWhatAProfileLacksOrHasTooMuch) {
  write_config(
      "[profile neither]\nrole_arn = arn:x\n"
      "[profile both]\nrole_arn = arn:x\nsource_profile = a\ncredential_source = Environment\n"
      "[profile norole]\nsource_profile = a\n"
      "[profile mfa]\nrole_arn = arn:x\nsource_profile = a\nmfa_serial = arn:mfa\n");

  for (const auto& [profile, what] :
       std::map<std::string, std::string>{{"neither", "must have one of source_profile"},
                                          {"both", "must have one of source_profile"},
                                          {"norole", "write role_arn"},
                                          {"mfa", "mfa_serial"}}) {
    start(with_profile(profile));
    const Error error = failure();
    EXPECT_EQ(error.kind(), ErrorKind::config) << profile;
    EXPECT_THAT(error.what(), HasSubstr(what));
  }
}

TEST_F(ProfileTest, SaysThatSsoAndProcessesAreNotSupported) {
  write_config(
      "[profile sso]\nsso_session = corp\nsso_account_id = 1\n"
      "[profile process]\ncredential_process = /usr/bin/vault SECRETSECRET\n"
      "[profile role]\nrole_arn = arn:x\nsource_profile = process\n");

  for (const auto& [profile, what] :
       std::map<std::string, std::string>{{"sso", "uses sso_session, which is not supported"},
                                          {"process", "uses credential_process, which is not"},
                                          {"role", "uses credential_process, which is not"}}) {
    start(with_profile(profile));
    const Error error = failure();
    EXPECT_EQ(error.kind(), ErrorKind::config);
    EXPECT_THAT(error.what(), AllOf(HasSubstr(what), Not(HasSubstr("SECRETSECRET"))));
  }
}

TEST_F(ProfileTest, NamesARegion) {
  write_config("[default]\nregion = eu-west-1\n[profile work]\nregion = eu-north-1\n");
  EXPECT_EQ(ambient_region(options()), "eu-west-1");
  EXPECT_EQ(ambient_region(with_profile("work")), "eu-north-1");
  EXPECT_EQ(ambient_region(with_profile("absent")), "");

  environment_["AWS_DEFAULT_REGION"] = "ap-south-1";
  EXPECT_EQ(ambient_region(options()), "ap-south-1");
  environment_["AWS_REGION"] = "sa-east-1";
  EXPECT_EQ(ambient_region(options()), "sa-east-1");
}

}  // namespace
}  // namespace keyrewind::s3
