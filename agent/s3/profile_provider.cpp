#include "s3/profile_provider.h"

#include "base/error.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace keyrewind::s3 {
namespace {

constexpr std::array<std::string_view, 2> kKeys = {"aws_access_key_id", "aws_secret_access_key"};

/// What makes a profile one that gives credentials in a way that is left out here.
constexpr std::array<std::string_view, 5> kUnsupported = {
    "sso_session", "sso_start_url", "sso_account_id", "login_session", "credential_process"};

Error wrong(const std::string& profile, std::string_view what) {
  return {ErrorKind::config, fmt::format("profile \"{}\" {}", profile, what)};
}

bool has_any_key(const Profile& profile) {
  return std::any_of(kKeys.begin(), kKeys.end(),
                     [&](std::string_view name) { return profile.has(name); });
}

std::string_view unsupported_setting(const Profile& profile) {
  const auto found = std::find_if(kUnsupported.begin(), kUnsupported.end(),
                                  [&](std::string_view name) { return profile.has(name); });
  return found == kUnsupported.end() ? std::string_view() : *found;
}

bool gives_credentials(const Profile& profile) {
  return has_any_key(profile) || profile.has("role_arn") || profile.has("source_profile") ||
         profile.has("credential_source") || profile.has("web_identity_token_file") ||
         !unsupported_setting(profile).empty();
}

Credentials keys_of(const std::string& name, const Profile& profile) {
  for (const std::string_view key : kKeys) {
    if (!profile.has(key)) {
      throw wrong(name, fmt::format("has no {}, but the other half; write both or neither", key));
    }
  }
  for (const std::string_view key : {kKeys[0], kKeys[1], std::string_view("aws_session_token")}) {
    if (profile.has(key) && !is_one_word(profile.get(key))) {
      throw wrong(name, fmt::format("has blanks or the like in {}; it is one word", key));
    }
  }
  return {.access_key_id = std::string(profile.get(kKeys[0])),
          .secret_access_key = Secret(std::string(profile.get(kKeys[1]))),
          .session_token = Secret(std::string(profile.get("aws_session_token")))};
}

RoleRequest role_of(const Profile& profile) {
  return {.role_arn = std::string(profile.get("role_arn")),
          .session_name = std::string(profile.get("role_session_name")),
          .external_id = std::string(profile.get("external_id")),
          .duration_seconds = std::string(profile.get("duration_seconds"))};
}

void check_role(const std::string& name, const Profile& profile) {
  const int ways = static_cast<int>(profile.has("source_profile")) +
                   static_cast<int>(profile.has("credential_source")) +
                   static_cast<int>(profile.has("web_identity_token_file"));
  if (!profile.has("role_arn")) {
    throw wrong(name, "says as whom to assume a role, but not which; write role_arn");
  }
  if (ways != 1) {
    throw wrong(name,
                "has a role_arn and must have one of source_profile, credential_source and "
                "web_identity_token_file");
  }
  if (profile.has("mfa_serial")) {
    throw wrong(name, "asks for a code of a person (mfa_serial); use a role without");
  }
}

}  // namespace

/// One walk from profile to profile.
struct ProfileProvider::Search {
  const SharedFiles files;
  const std::string region;
  std::set<std::string> visited{};

  const Profile& at(const std::string& name) const {
    const auto found = files.profiles.find(name);
    if (found == files.profiles.end()) {
      throw wrong(name, fmt::format("is not in {}; check its name", files.paths()));
    }
    return found->second;
  }
};

ProfileProvider::ProfileProvider(CredentialOptions options, ProfileSources sources,
                                 const Clock& clock)
    : options_(std::move(options)),
      variables_(options_.environment),
      sources_(std::move(sources)),
      clock_(clock) {}

std::optional<Found> ProfileProvider::find(std::stop_token stop) {
  const bool asked_for = !options_.profile.empty();
  const std::string name = profile_name(options_, variables_);
  Search search{.files = read_shared_files(variables_),
                .region = options_.region.empty() ? ambient_region(options_) : options_.region};

  // AWS_PROFILE may name a profile for its region alone; the configuration's says who we are.
  const bool must_exist = asked_for || variables_.has("AWS_PROFILE");
  if (!must_exist && !search.files.profiles.contains(name)) {
    return std::nullopt;
  }
  if (!gives_credentials(search.at(name))) {
    if (asked_for) {
      throw wrong(name, fmt::format("has no credentials in {}", search.files.paths()));
    }
    return std::nullopt;
  }
  Found found{.credentials = resolve(search, name, stop), .files = search.files.stamps};
  found.credentials.provider = fmt::format("profile \"{}\"", name);
  return found;
}

std::string ProfileProvider::place() const {
  return fmt::format("profile \"{}\" of the shared files (AWS_SHARED_CREDENTIALS_FILE)",
                     profile_name(options_, variables_));
}

Credentials ProfileProvider::resolve(Search& search, const std::string& name,
                                     const std::stop_token& stop) {
  const Profile& profile = search.at(name);
  const bool is_first = search.visited.empty();
  const bool has_role = profile.has("role_arn") || profile.has("source_profile") ||
                        profile.has("credential_source") || profile.has("web_identity_token_file");
  // As the source of a role a profile's own keys go first, so that it may name itself.
  if (has_role && (is_first || !has_any_key(profile))) {
    if (!search.visited.insert(name).second) {
      throw wrong(name, "is its own source, by way of source_profile; end the circle with keys");
    }
    return assume_role(search, name, stop);
  }
  if (has_any_key(profile)) {
    return keys_of(name, profile);
  }
  if (const std::string_view setting = unsupported_setting(profile); !setting.empty()) {
    throw wrong(name, fmt::format("uses {}, which is not supported; use keys, a role or a web "
                                  "identity",
                                  setting));
  }
  throw wrong(name, fmt::format("has no credentials in {}", search.files.paths()));
}

Credentials ProfileProvider::assume_role(Search& search, const std::string& name,
                                         const std::stop_token& stop) {
  const Profile& profile = search.at(name);
  check_role(name, profile);
  const Sts sts(sts_endpoint(variables_, search.region), variables_, clock_);
  if (profile.has("web_identity_token_file")) {
    const Secret token =
        read_word_file(fmt::format("profile \"{}\", web_identity_token_file", name),
                       variables_.expand_home(std::string(profile.get("web_identity_token_file"))));
    return sts.assume_role_with_web_identity(role_of(profile), token, stop);
  }
  const Credentials source = source_of_role(search, name, stop);
  return sts.assume_role(role_of(profile), source, stop);
}

Credentials ProfileProvider::source_of_role(Search& search, const std::string& name,
                                            const std::stop_token& stop) {
  const Profile& profile = search.at(name);
  if (profile.has("credential_source")) {
    return named_source(std::string(profile.get("credential_source")), name, stop);
  }
  return resolve(search, std::string(profile.get("source_profile")), stop);
}

Credentials ProfileProvider::named_source(const std::string& source, const std::string& profile,
                                          const std::stop_token& stop) {
  const auto found = sources_.find(source);
  if (found == sources_.end()) {
    throw wrong(profile,
                "has a credential_source that is none of Environment, EcsContainer and "
                "Ec2InstanceMetadata");
  }
  std::optional<Found> credentials = found->second->find(stop);
  if (!credentials) {
    throw Error(Side::repository, ErrorKind::denied,
                fmt::format("profile \"{}\" takes its credentials from {}, which has none", profile,
                            found->second->place()));
  }
  return std::move(credentials->credentials);
}

std::string profile_name(const CredentialOptions& options, const Variables& variables) {
  if (!options.profile.empty()) {
    return options.profile;
  }
  const std::string named = variables.get("AWS_PROFILE");
  return named.empty() ? "default" : named;
}

std::string ambient_region(const CredentialOptions& options) {
  const Variables variables(options.environment);
  for (const char* name : {"AWS_REGION", "AWS_DEFAULT_REGION"}) {
    if (variables.has(name)) {
      return variables.get(name);
    }
  }
  const SharedFiles files = read_shared_files(variables);
  const auto profile = files.profiles.find(profile_name(options, variables));
  return profile == files.profiles.end() ? std::string()
                                         : std::string(profile->second.get("region"));
}

}  // namespace keyrewind::s3
