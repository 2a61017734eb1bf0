#pragma once

#include "base/clock.h"
#include "base/secret.h"
#include "http/client.h"

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

/// Who we are to an S3 store. Providers follow the order and the names that AWS's own tools have.
namespace keyrewind::s3 {

struct Credentials {
  std::string access_key_id;
  Secret secret_access_key;
  Secret session_token;                ///< Empty: a permanent key.
  std::optional<Timestamp> expires{};  ///< Nothing: they do not.
  std::string provider;                ///< "environment", for people: where they came from.
};

/// Where to look. The names are those of the configuration's s3 section.
struct CredentialOptions {
  std::string access_key_id;
  Secret secret_access_key;
  std::string secret_access_key_file;  ///< Read again when it changes.
  Secret session_token;
  std::string profile;  ///< Of the shared files; empty: AWS_PROFILE, else "default".
  std::string region;   ///< For the regional endpoint of STS.
  /// Looks up a variable of the environment; tests have their own.
  std::function<std::optional<std::string>(const std::string&)> environment;
};

/// The first of these that has any, asked in this order; that one is then asked for ever:
///
///   configuration, environment (AWS_ACCESS_KEY_ID …), shared files (AWS_SHARED_CREDENTIALS_FILE,
///   AWS_CONFIG_FILE, profiles, role_arn with source_profile, credential_process left out), web
///   identity token (AWS_WEB_IDENTITY_TOKEN_FILE with AWS_ROLE_ARN: IRSA, by STS), container
///   (AWS_CONTAINER_CREDENTIALS_RELATIVE_URI, …_FULL_URI with …_AUTHORIZATION_TOKEN[_FILE]: ECS and
///   EKS pod identity), instance metadata version 2.
class CredentialChain {
 public:
  /// `clock` must outlive the chain.
  CredentialChain(CredentialOptions options, const Clock& clock);
  ~CredentialChain();

  /// Credentials that are good for some minutes yet. Those that end are fetched anew five minutes
  /// before, once, whoever asks first; files are read again when they change. If a refresh fails
  /// while the old ones are still good, they are used on, with a warning. Any thread.
  ///
  /// Throws Error(Side::repository, denied) if nobody has any, saying where was looked and what to
  /// do, and unavailable if the service that has them does not answer. No message or log line
  /// holds a secret or a token.
  Credentials get(std::stop_token stop);

  /// The store says that what it was given last is no longer good (ExpiredToken,
  /// InvalidAccessKeyId): the next `get` fetches anew.
  void refuse(const Credentials& credentials);

 private:
  class Work;
  const std::unique_ptr<Work> work_;
};

}  // namespace keyrewind::s3
