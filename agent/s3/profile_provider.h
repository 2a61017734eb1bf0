#pragma once

#include "base/clock.h"
#include "s3/provider.h"
#include "s3/shared_files.h"
#include "s3/sts.h"
#include "s3/variables.h"

#include <map>
#include <memory>
#include <set>
#include <string>

namespace keyrewind::s3 {

/// What `credential_source` may name.
using ProfileSources = std::map<std::string, std::unique_ptr<Provider>, std::less<>>;

/// A profile of the shared files: keys, or a role that is assumed as another profile, as one of
/// `sources` or with a token file.
class ProfileProvider final : public Provider {
 public:
  /// `clock` must outlive it.
  ProfileProvider(CredentialOptions options, ProfileSources sources, const Clock& clock);

  std::optional<Found> find(std::stop_token stop) override;
  std::string place() const override;

 private:
  struct Search;

  Credentials resolve(Search& search, const std::string& name, const std::stop_token& stop);
  Credentials assume_role(Search& search, const std::string& name, const std::stop_token& stop);
  Credentials source_of_role(Search& search, const std::string& name, const std::stop_token& stop);
  Credentials named_source(const std::string& source, const std::string& profile,
                           const std::stop_token& stop);

  const CredentialOptions options_;
  const Variables variables_;
  const ProfileSources sources_;
  const Clock& clock_;
};

/// The profile to use: the configured one, AWS_PROFILE's or "default".
std::string profile_name(const CredentialOptions& options, const Variables& variables);

}  // namespace keyrewind::s3
