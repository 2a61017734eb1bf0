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
  std::string access_key_id{};
  Secret secret_access_key{};
  Secret session_token{};              ///< Empty: a permanent key.
  std::optional<Timestamp> expires{};  ///< Nothing: they do not.
  std::string provider{};              ///< "environment", for people: where they came from.
};

/// Where to look. The names are those of the configuration's s3 section.
struct CredentialOptions {
  std::string access_key_id{};
  Secret secret_access_key{};
  std::string secret_access_key_file{};  ///< Read again when it changes.
  Secret session_token{};
  std::string profile{};  ///< Of the shared files; empty: AWS_PROFILE, else "default".
  std::string region{};   ///< For the regional endpoint of STS.
  /// Looks up a variable of the environment; tests have their own. None: there are no variables.
  std::function<std::optional<std::string>(const std::string&)> environment{};
};

/// The first of these that has any, asked in this order; that one is then asked for ever:
///
///   configuration        access_key_id with its secret, or a profile, which is then the only one
///   environment          AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN
///   web identity         AWS_WEB_IDENTITY_TOKEN_FILE with AWS_ROLE_ARN: IRSA, by STS
///   shared files         AWS_SHARED_CREDENTIALS_FILE, AWS_CONFIG_FILE, AWS_PROFILE; keys, role_arn
///                        with source_profile, credential_source or web_identity_token_file
///   container            AWS_CONTAINER_CREDENTIALS_RELATIVE_URI, …_FULL_URI with
///                        AWS_CONTAINER_AUTHORIZATION_TOKEN[_FILE]: ECS and EKS pod identity
///   instance metadata    version 2; AWS_EC2_METADATA_SERVICE_ENDPOINT, AWS_EC2_METADATA_DISABLED
///
/// AWS's SDKs for Go, Java and PHP have this order; those for C++ and Rust ask the shared files
/// before the web identity. What EKS gives a pod so wins over a file that lies in its image.
/// AWS_ENDPOINT_URL_STS and AWS_CA_BUNDLE hold for STS.
///
/// One that is set up by half or fails ends the search: the next one may be somebody else.
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
  /// do, and if the service refuses; unavailable if the service that has them does not answer;
  /// Error(config) if something is set up by half, is not supported or can't be read. No message
  /// or log line holds a secret or a token.
  Credentials get(std::stop_token stop);

  /// The store says that what it was given last is no longer good (ExpiredToken,
  /// InvalidAccessKeyId): the next `get` fetches anew.
  void refuse(const Credentials& credentials);

 private:
  class Work;
  const std::unique_ptr<Work> work_;
};

/// The region that the environment (AWS_REGION, AWS_DEFAULT_REGION) or the profile names; empty if
/// none does. Throws Error(config) if the shared files can't be read.
std::string ambient_region(const CredentialOptions& options);

}  // namespace keyrewind::s3
