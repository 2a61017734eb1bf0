#pragma once

#include "base/clock.h"
#include "http/client.h"
#include "s3/credentials.h"
#include "s3/variables.h"

#include <stop_token>
#include <string>

/// AWS's Security Token Service, or another that speaks its protocol: temporary credentials of a
/// role.
namespace keyrewind::s3 {

struct StsEndpoint {
  std::string url;
  std::string region;  ///< That requests are signed for.
};

/// What AWS_ENDPOINT_URL_STS or AWS_ENDPOINT_URL name (unless AWS_IGNORE_CONFIGURED_ENDPOINT_URLS),
/// else the regional endpoint; the global one if `region` is empty. Throws Error(config) if the
/// region can't be part of a host's name.
StsEndpoint sts_endpoint(const Variables& variables, const std::string& region);

struct RoleRequest {
  std::string role_arn;
  std::string session_name{};  ///< Empty: "keyrewind".
  std::string external_id{};
  std::string duration_seconds{};  ///< Empty: the service's default, an hour.
};

/// Asks one endpoint. Every call throws Error(Side::repository): unavailable if it does not answer
/// or asks to come later, denied if it refuses, with its error's code but never its text, and
/// protocol if the answer is none.
class Sts {
 public:
  /// AWS_CA_BUNDLE holds. `clock` must outlive it.
  Sts(StsEndpoint endpoint, const Variables& variables, const Clock& clock);

  /// AssumeRole, signed as `source`.
  Credentials assume_role(const RoleRequest& request, const Credentials& source,
                          std::stop_token stop) const;

  /// AssumeRoleWithWebIdentity, not signed: the token says who asks.
  Credentials assume_role_with_web_identity(const RoleRequest& request, const Secret& token,
                                            std::stop_token stop) const;

 private:
  Credentials ask(const RoleRequest& request, const Secret& form, const Credentials* signer,
                  std::stop_token stop) const;
  http::Response send(const Secret& form, const Credentials* signer, std::stop_token stop) const;

  StsEndpoint endpoint_;
  std::string ca_file_;
  const Clock& clock_;
};

}  // namespace keyrewind::s3
