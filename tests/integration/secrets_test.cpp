// Whatever the program is asked and however it fails: no secret is in what it prints and logs.

#include "support/keyrewind.h"
#include "support/paths.h"
#include "support/redis_server.h"
#include "support/s3_servers.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace keyrewind::test {
namespace {

using Environment = std::vector<std::pair<std::string, std::string>>;

constexpr std::string_view kWrongSecret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYWRONGSECRET";
constexpr std::string_view kWrongToken = "IQoJb3JpZ2luX2VjEXAMPLE/SESSIONTOKENVALUE==";
constexpr std::string_view kPassword = "correct-horse-battery-staple";

class Secrets : public testing::Test {
 protected:
  void SetUp() override {
    require_rgw();
    if (IsSkipped() || HasFatalFailure()) {
      return;
    }
    require_server("redis-server-7.0");
    if (IsSkipped() || HasFatalFailure()) {
      return;
    }
    server_.emplace(ServerOptions{.password = std::string(kPassword)});
    keyrewind_.emplace(server_->url(), "", RepositoryKind::s3_age);
    write_text(file("password"), fmt::format("{}\n", kPassword));
  }

  void TearDown() override {
    if (keyrewind_) {
      EXPECT_NE(said_, "");
      expect_no_secret(said_);
    }
  }

  std::string file(const std::string& name) const { return (keyrewind_->folder() / name).string(); }

  static std::string id() { return S3Server::rgw().access_key(); }
  static std::string right_secret() { return S3Server::rgw().secret_key(); }

  /// A configuration whose s3 section ends with `keys`.
  void configure(const std::string& keys) const {
    const std::string identity = read_text(keyrewind_->store().identity_file());
    const std::size_t recipient = identity.find("age1");
    keyrewind_->configure(fmt::format(
        "version: 1\n"
        "source: {{name: orders, address: '{}', password_file: {}}}\n"
        "repository: {{url: '{}', retry_time: 1s, s3: {{endpoint: '{}', region: us-east-1, "
        "path_style: true{}}}}}\n"
        "encryption: {{recipients: [{}], identity_file: {}}}\n",
        server_->url(), file("password"), keyrewind_->store().url(), S3Server::rgw().endpoint(),
        keys, identity.substr(recipient, identity.find('\n', recipient) - recipient),
        keyrewind_->store().identity_file().string()));
  }

  /// Runs the program as loudly as it can be, and keeps what it says.
  RunResult run(const std::vector<std::string>& words, Environment environment = {}) {
    std::vector<std::string> command = {program_path(), "-vv", "-c",
                                        keyrewind_->config_file().string()};
    command.insert(command.end(), words.begin(), words.end());
    environment.emplace_back("HOME", keyrewind_->folder().string());
    environment.emplace_back("AWS_EC2_METADATA_DISABLED", "true");
    RunResult result = test::run({.command = command, .env = environment});
    said_ += result.out + result.err;
    return result;
  }

  /// Every verb that comes near the store.
  void ask_for_everything(const Environment& environment = {}) {
    for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
             {"config", "check"},
             {"config", "show"},
             {"config", "show", "-o", "json"},
             {"backup"},
             {"list"},
             {"show", "latest"},
             {"timeline"},
             {"verify"},
             {"restore", "latest", "--target", file("target"), "--dry-run"},
             {"doctor"}}) {
      run(words, environment);
    }
  }

  void expect_no_secret(const std::string& text) const {
    const std::string identity = read_text(keyrewind_->store().identity_file());
    const std::size_t key = identity.find("AGE-SECRET-KEY-");
    for (const std::string& secret :
         {right_secret(), std::string(kWrongSecret), std::string(kWrongToken),
          std::string(kPassword), identity.substr(key, identity.find('\n', key) - key)}) {
      const std::size_t piece = std::min<std::size_t>(12, secret.size());
      for (std::size_t at = 0; at + piece <= secret.size(); ++at) {
        const std::string part = secret.substr(at, piece);
        const std::size_t found = tells_nothing(part) ? std::string::npos : text.find(part);
        ASSERT_EQ(found, std::string::npos) << line_at(text, found);
      }
    }
  }

  /// Whether it is what every key of its kind begins with, or but one character: the gateway's key
  /// is half of zeros.
  static bool tells_nothing(const std::string& part) {
    return std::string_view("AGE-SECRET-KEY-1").find(part) != std::string_view::npos ||
           part.find_first_not_of(part.front()) == std::string::npos;
  }

  static std::string line_at(const std::string& text, std::size_t at) {
    const std::size_t before = text.rfind('\n', at);
    const std::size_t begin = before == std::string::npos ? 0 : before + 1;
    return text.substr(begin, text.find('\n', at) - begin);
  }

  std::optional<RedisServer> server_;
  std::optional<Keyrewind> keyrewind_;
  std::string said_;
};

TEST_F(Secrets, AreNotSaidWhereTheConfigurationHasThem) {
  configure(fmt::format(", access_key_id: {}, secret_access_key: '{}'", id(), kWrongSecret));
  ask_for_everything();
  EXPECT_EQ(run({"backup"}).status, 2) << "secrets do not belong there";
}

TEST_F(Secrets, AreNotSaidWhereAVariableOfTheConfigurationHasThem) {
  configure(fmt::format(", access_key_id: {}", id()));
  const Environment right = {{"KEYREWIND_REPOSITORY__S3__SECRET_ACCESS_KEY", right_secret()}};
  ask_for_everything(right);
  EXPECT_EQ(run({"backup"}, right).status, 0);

  const Environment wrong = {
      {"KEYREWIND_REPOSITORY__S3__SECRET_ACCESS_KEY", std::string(kWrongSecret)},
      {"KEYREWIND_REPOSITORY__S3__SESSION_TOKEN", std::string(kWrongToken)}};
  ask_for_everything(wrong);
  EXPECT_EQ(run({"backup"}, wrong).status, 5);
}

TEST_F(Secrets, AreNotSaidWhereAFileHasThem) {
  configure(fmt::format(", access_key_id: {}, secret_access_key_file: {}", id(), file("secret")));
  write_text(file("secret"), right_secret());
  ask_for_everything();
  EXPECT_EQ(run({"backup"}).status, 0);

  write_text(file("secret"), std::string(kWrongSecret));
  ask_for_everything();
  EXPECT_EQ(run({"backup"}).status, 5);

  write_text(file("secret"), fmt::format("{}\n{}\n", id(), kWrongSecret));
  ask_for_everything();
  EXPECT_EQ(run({"backup"}).status, 2);
}

TEST_F(Secrets, AreNotSaidWhereTheEnvironmentHasThem) {
  configure("");
  const Environment right = {{"AWS_ACCESS_KEY_ID", id()},
                             {"AWS_SECRET_ACCESS_KEY", right_secret()}};
  ask_for_everything(right);
  EXPECT_EQ(run({"backup"}, right).status, 0);

  const Environment wrong = {{"AWS_ACCESS_KEY_ID", id()},
                             {"AWS_SECRET_ACCESS_KEY", std::string(kWrongSecret)},
                             {"AWS_SESSION_TOKEN", std::string(kWrongToken)}};
  ask_for_everything(wrong);
  EXPECT_EQ(run({"backup"}, wrong).status, 5);

  const Environment half = {{"AWS_SECRET_ACCESS_KEY", std::string(kWrongSecret)}};
  ask_for_everything(half);
  EXPECT_EQ(run({"backup"}, half).status, 2);
}

TEST_F(Secrets, AreNotSaidWhereAProfileHasThem) {
  configure(", profile: backup");
  const Environment sts = {{"AWS_ENDPOINT_URL_STS", S3Server::rgw().endpoint()}};
  std::filesystem::create_directories(keyrewind_->folder() / ".aws");
  const auto write_profile = [&](std::string_view secret) {
    write_text(file(".aws/credentials"),
               fmt::format("[base]\naws_access_key_id = {}\naws_secret_access_key = {}\n"
                           "[backup]\nrole_arn = arn:aws:iam:::role/backup\n"
                           "source_profile = base\n",
                           id(), secret));
  };

  write_profile(right_secret());
  ask_for_everything(sts);
  EXPECT_EQ(run({"backup"}, sts).status, 0);

  write_profile(kWrongSecret);
  ask_for_everything(sts);
  EXPECT_EQ(run({"backup"}, sts).status, 5);

  write_text(file(".aws/credentials"), fmt::format("[backup]\n{}\n", kWrongSecret));
  ask_for_everything(sts);
  EXPECT_EQ(run({"backup"}, sts).status, 2);
}

TEST_F(Secrets, AreNotSaidByAMistakeInTheConfiguration) {
  configure(fmt::format(", access_key_id: {}, secret_access_key: ['{}']", id(), kWrongSecret));
  EXPECT_EQ(run({"config", "check"}).status, 2);

  configure(fmt::format(", access_key_id: {}, secret_acces_key: '{}'", id(), kWrongSecret));
  EXPECT_EQ(run({"config", "check"}).status, 2);

  configure(fmt::format(", access_key_id: {}, secret_access_key: '{} {}'", id(), kWrongSecret,
                        kWrongSecret));
  EXPECT_EQ(run({"backup"}).status, 2);

  keyrewind_->configure(fmt::format("repository: {{s3: {{secret_access_key: '{}\n", kWrongSecret));
  EXPECT_EQ(run({"config", "check"}).status, 2);
}

}  // namespace
}  // namespace keyrewind::test
