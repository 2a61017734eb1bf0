#pragma once

#include "base/clock.h"
#include "s3/credentials.h"
#include "s3/secret_file.h"

#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

namespace keyrewind::s3 {

struct Found {
  Credentials credentials;
  std::vector<FileStamp> files{};  ///< If one of them changes, the credentials may have.
};

/// One place that credentials come from. Used by one thread at a time.
class Provider {
 public:
  virtual ~Provider() = default;

  /// Fetches or reads them anew. Nothing if this place is not set up; throws what
  /// CredentialChain::get does if it is and fails.
  virtual std::optional<Found> find(std::stop_token stop) = 0;

  /// For people: where it looks, such as "environment (AWS_ACCESS_KEY_ID)", and after `find` has
  /// found nothing also why, if that is not plain.
  virtual std::string place() const = 0;
};

/// All of them in the order that `CredentialChain` documents. `clock` must outlive them.
std::vector<std::unique_ptr<Provider>> make_providers(const CredentialOptions& options,
                                                      const Clock& clock);

}  // namespace keyrewind::s3
