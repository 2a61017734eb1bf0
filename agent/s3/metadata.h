#pragma once

#include "s3/provider.h"
#include "s3/variables.h"

/// Services at link-local addresses that give credentials to whoever runs here. They are never
/// asked through a proxy and must answer within seconds.
namespace keyrewind::s3 {

/// Where the container's credentials are, from AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or
/// …_FULL_URI; empty if neither is set. Throws Error(config) if the URI is none, or is http to a
/// host that is neither this machine nor one of the addresses of ECS and EKS: the token would go in
/// the clear.
std::string container_credentials_url(const Variables& variables);

/// ECS task roles and EKS pod identity.
class ContainerMetadata final : public Provider {
 public:
  explicit ContainerMetadata(Variables variables) : variables_(std::move(variables)) {}

  std::optional<Found> find(std::stop_token stop) override;
  std::string place() const override;

 private:
  Variables variables_;
};

/// The role of an EC2 instance, from the instance metadata service, version 2. It is asked last:
/// as long as it never gave a token, no answer and a refusal are taken for a machine without one.
class InstanceMetadata final : public Provider {
 public:
  explicit InstanceMetadata(Variables variables);

  std::optional<Found> find(std::stop_token stop) override;
  std::string place() const override;

 private:
  /// Of a session, which all that follows carries. Nothing if no such service is here.
  std::optional<Secret> fetch_token(const std::string& endpoint, const std::stop_token& stop);

  Variables variables_;
  bool is_there_;    ///< Known to be there: named by a variable, or has given a token.
  std::string why_;  ///< Nothing was found.
};

}  // namespace keyrewind::s3
