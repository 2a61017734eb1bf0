#include "s3/provider.h"

#include "base/error.h"
#include "s3/metadata.h"
#include "s3/profile_provider.h"
#include "s3/sts.h"
#include "s3/variables.h"

#include <fmt/format.h>

#include <utility>

namespace keyrewind::s3 {
namespace {

void check_word(const std::string& what, std::string_view text) {
  if (!is_one_word(text)) {
    throw Error(ErrorKind::config,
                fmt::format("{} holds a blank, a line break or the like; it is one word", what));
  }
}

/// access_key_id and what belongs to it in the configuration.
class ConfiguredKeys final : public Provider {
 public:
  explicit ConfiguredKeys(CredentialOptions options) : options_(std::move(options)) {}

  std::optional<Found> find(std::stop_token /*stop*/) override {
    const bool has_file = !options_.secret_access_key_file.empty();
    const bool has_secret = has_file || !options_.secret_access_key.empty();
    if (options_.access_key_id.empty() && !has_secret && options_.session_token.empty()) {
      return std::nullopt;
    }
    check(has_secret);

    Found found;
    if (has_file) {
      found.files = {FileStamp::of(options_.secret_access_key_file)};
      found.credentials.secret_access_key =
          read_word_file("s3.secret_access_key_file", options_.secret_access_key_file);
    } else {
      found.credentials.secret_access_key = options_.secret_access_key;
    }
    check_word("s3.access_key_id", options_.access_key_id);
    check_word("s3.secret_access_key", found.credentials.secret_access_key.reveal());
    found.credentials.access_key_id = options_.access_key_id;
    found.credentials.session_token = options_.session_token;
    found.credentials.provider = "configuration";
    return found;
  }

  std::string place() const override { return "configuration (s3.access_key_id)"; }

 private:
  void check(bool has_secret) const {
    if (options_.access_key_id.empty()) {
      throw Error(ErrorKind::config,
                  "s3.access_key_id is missing; a secret key or a session token without it says "
                  "not whose it is");
    }
    if (!has_secret) {
      throw Error(ErrorKind::config,
                  "s3.access_key_id has no secret key; set s3.secret_access_key_file, or leave "
                  "both out to use the environment's");
    }
    if (!options_.secret_access_key_file.empty() && !options_.secret_access_key.empty()) {
      throw Error(ErrorKind::config,
                  "s3.secret_access_key and s3.secret_access_key_file are both set; leave one out");
    }
    if (!options_.profile.empty()) {
      throw Error(ErrorKind::config, "s3.access_key_id and s3.profile are both set; leave one out");
    }
    if (!options_.session_token.empty()) {
      check_word("s3.session_token", options_.session_token.reveal());
    }
  }

  const CredentialOptions options_;
};

class EnvironmentKeys final : public Provider {
 public:
  explicit EnvironmentKeys(Variables variables) : variables_(std::move(variables)) {}

  std::optional<Found> find(std::stop_token /*stop*/) override {
    Credentials credentials{.access_key_id = variables_.get(kId),
                            .secret_access_key = variables_.secret(kSecret),
                            .session_token = variables_.secret(kToken),
                            .provider = "environment"};
    const bool has_id = !credentials.access_key_id.empty();
    const bool has_secret = !credentials.secret_access_key.empty();
    if (!has_id && !has_secret) {
      return std::nullopt;
    }
    if (!has_id || !has_secret) {
      throw Error(ErrorKind::config, fmt::format("{} is set, but {} is not; set both or neither",
                                                 has_id ? kId : kSecret, has_id ? kSecret : kId));
    }
    check_word(kId, credentials.access_key_id);
    check_word(kSecret, credentials.secret_access_key.reveal());
    if (!credentials.session_token.empty()) {
      check_word(kToken, credentials.session_token.reveal());
    }
    return Found{.credentials = std::move(credentials)};
  }

  std::string place() const override { return "environment (AWS_ACCESS_KEY_ID)"; }

 private:
  static constexpr const char* kId = "AWS_ACCESS_KEY_ID";
  static constexpr const char* kSecret = "AWS_SECRET_ACCESS_KEY";
  static constexpr const char* kToken = "AWS_SESSION_TOKEN";

  const Variables variables_;
};

/// IRSA: the token that Kubernetes puts into a file and renews there.
class WebIdentity final : public Provider {
 public:
  WebIdentity(CredentialOptions options, const Clock& clock)
      : options_(std::move(options)), variables_(options_.environment), clock_(clock) {}

  std::optional<Found> find(std::stop_token stop) override {
    const std::string file = variables_.expand_home(variables_.get(kFile));
    const RoleRequest request{.role_arn = variables_.get(kRole),
                              .session_name = variables_.get("AWS_ROLE_SESSION_NAME")};
    if (file.empty() && request.role_arn.empty()) {
      return std::nullopt;
    }
    if (file.empty() || request.role_arn.empty()) {
      throw Error(ErrorKind::config,
                  fmt::format("{} is set, but {} is not; set both or neither",
                              file.empty() ? kRole : kFile, file.empty() ? kFile : kRole));
    }
    const Secret token = read_word_file(kFile, file);
    const Sts sts(sts_endpoint(variables_, region()), variables_, clock_);
    Found found{.credentials = sts.assume_role_with_web_identity(request, token, std::move(stop))};
    found.credentials.provider = "web identity";
    return found;
  }

  std::string place() const override { return "web identity (AWS_WEB_IDENTITY_TOKEN_FILE)"; }

 private:
  static constexpr const char* kFile = "AWS_WEB_IDENTITY_TOKEN_FILE";
  static constexpr const char* kRole = "AWS_ROLE_ARN";

  std::string region() const {
    return options_.region.empty() ? ambient_region(options_) : options_.region;
  }

  const CredentialOptions options_;
  const Variables variables_;
  const Clock& clock_;
};

}  // namespace

std::vector<std::unique_ptr<Provider>> make_providers(const CredentialOptions& options,
                                                      const Clock& clock) {
  const Variables variables(options.environment);
  const auto profile = [&] {
    ProfileSources sources;
    sources.emplace("Environment", std::make_unique<EnvironmentKeys>(variables));
    sources.emplace("EcsContainer", std::make_unique<ContainerMetadata>(variables));
    sources.emplace("Ec2InstanceMetadata", std::make_unique<InstanceMetadata>(variables));
    return std::make_unique<ProfileProvider>(options, std::move(sources), clock);
  };

  std::vector<std::unique_ptr<Provider>> providers;
  providers.push_back(std::make_unique<ConfiguredKeys>(options));
  if (!options.profile.empty()) {
    providers.push_back(profile());
    return providers;
  }
  providers.push_back(std::make_unique<EnvironmentKeys>(variables));
  providers.push_back(std::make_unique<WebIdentity>(options, clock));
  providers.push_back(profile());
  providers.push_back(std::make_unique<ContainerMetadata>(variables));
  providers.push_back(std::make_unique<InstanceMetadata>(variables));
  return providers;
}

}  // namespace keyrewind::s3
