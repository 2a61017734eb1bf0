#pragma once

#include "base/error.h"
#include "base/log.h"
#include "s3/credentials.h"
#include "support/http_server.h"
#include "support/manual_clock.h"
#include "support/temp_dir.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace keyrewind::s3 {

/// What no log line and no error may hold.
inline constexpr std::string_view kSecretKey = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYSECRETKEY1";
inline constexpr std::string_view kOtherSecretKey = "je7MtGbClwBF/2Zp9Utk/h3yCo8nvbSECRETKEY2";
inline constexpr std::string_view kSessionToken = "IQoJb3JpZ2luX2VjEXAMPLESESSIONTOKEN/+==";
inline constexpr std::string_view kWebToken =
    "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzZXJ2aWNlYWNjb3VudCJ9.c2lnbmF0dXJlb2Z0aGV0b2tlbg";

/// A chain with an environment, files and services of its own. At the end all that was logged and
/// all errors that were looked at are searched for secrets, and for pieces of them.
class ChainTest : public testing::Test {
 protected:
  ChainTest() : clock_(*from_rfc3339("2026-11-20T12:00:00Z")) {
    log::configure(log::Level::debug, log::Format::text);
    testing::internal::CaptureStderr();
    environment_["HOME"] = dir_.path().string();
    environment_["AWS_EC2_METADATA_DISABLED"] = "true";
  }

  ~ChainTest() override {
    said_ += testing::internal::GetCapturedStderr();
    log::configure(log::Level::info, log::Format::text);
    for (const std::string_view secret : {kSecretKey, kOtherSecretKey, kSessionToken, kWebToken}) {
      constexpr std::size_t kPiece = 12;
      for (std::size_t at = 0; at + kPiece <= secret.size(); ++at) {
        const std::string piece(secret.substr(at, kPiece));
        EXPECT_EQ(said_.find(piece), std::string::npos) << "said \"" << piece << "\" in " << said_;
      }
    }
  }

  CredentialOptions options() {
    return {.environment = [this](const std::string& name) -> std::optional<std::string> {
      const auto found = environment_.find(name);
      return found == environment_.end() ? std::nullopt : std::optional(found->second);
    }};
  }

  /// A new chain, from which `get` then takes.
  void start(CredentialOptions options) {
    chain_ = std::make_unique<CredentialChain>(std::move(options), clock_);
  }

  Credentials get() {
    if (!chain_) {
      start(options());
    }
    return chain_->get({});
  }

  /// How `get` fails.
  Error failure() {
    try {
      get();
    } catch (const Error& error) {
      said_ += fmt::format("{}\n", error.what());
      return error;
    }
    ADD_FAILURE() << "nothing was thrown";
    return {ErrorKind::internal, ""};
  }

  /// What was logged since the test began, or since the last call.
  std::string logged() {
    const std::string text = testing::internal::GetCapturedStderr();
    testing::internal::CaptureStderr();
    said_ += text;
    return text;
  }

  std::string write(const std::string& name, std::string_view content) {
    const auto path = dir_ / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
    return path.string();
  }

  void set_web_identity(const std::string& sts_url) {
    environment_["AWS_WEB_IDENTITY_TOKEN_FILE"] = write("token", kWebToken);
    environment_["AWS_ROLE_ARN"] = "arn:aws:iam::123456789012:role/backup";
    environment_["AWS_ENDPOINT_URL_STS"] = sts_url;
  }

  std::string expiring(std::chrono::milliseconds life) const {
    return to_rfc3339(clock_.now() + life);
  }

  std::string sts_answer(const std::string& action, std::string_view id,
                         std::chrono::milliseconds life = std::chrono::hours(1)) const {
    return fmt::format(R"(<?xml version="1.0"?>
<{0}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><{0}Result>
  <AssumedRoleUser><Arn>arn:aws:sts::123456789012:assumed-role/backup/keyrewind</Arn></AssumedRoleUser>
  <Credentials><AccessKeyId>{1}</AccessKeyId><SecretAccessKey>{2}</SecretAccessKey>
    <SessionToken>{3}</SessionToken><Expiration>{4}</Expiration></Credentials>
</{0}Result></{0}Response>)",
                       action, id, kSecretKey, kSessionToken, expiring(life));
  }

  std::string metadata_answer(std::string_view id,
                              std::chrono::milliseconds life = std::chrono::hours(6)) const {
    return fmt::format(
        R"({{"Code": "Success", "Type": "AWS-HMAC", "AccessKeyId": "{}", "SecretAccessKey": "{}", )"
        R"("Token": "{}", "Expiration": "{}"}})",
        id, kSecretKey, kSessionToken, expiring(life));
  }

  test::TempDir dir_;
  test::ManualClock clock_;
  std::map<std::string, std::string> environment_;
  std::unique_ptr<CredentialChain> chain_;
  std::string said_;
};

}  // namespace keyrewind::s3
