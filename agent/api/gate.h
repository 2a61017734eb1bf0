#pragma once

#include "api/attempts.h"
#include "api/credentials.h"
#include "http/serving.h"

#include <optional>

namespace keyrewind::api {

/// What a route does, and so who may use it.
enum class Access {
  open,   ///< Tells nothing: for everybody.
  read,   ///< For everybody unless `anonymous_reads` is false.
  write,  ///< For those with credentials, or on this machine if there are none to have.
};

struct AuthOptions {
  CredentialFiles files{};
  bool anonymous_reads = true;
};

/// Decides who may do what. Any thread.
///
/// Whoever reaches the unix socket may do anything: the file's mode says who that is. Over TCP
/// writes need credentials; without any configured, only clients on this machine may write, and
/// only those that name it as it is named here, so that no foreign site stands behind them.
class Gate {
 public:
  /// Throws what Credentials throws.
  explicit Gate(const AuthOptions& options);

  /// Nothing if the request may go on, else what it is refused with.
  std::optional<http::Answer> check(const http::ServedRequest& request, Access access);

 private:
  std::optional<http::Answer> check_credentials(const http::ServedRequest& request);

  const bool anonymous_reads_;
  Credentials credentials_;
  Attempts attempts_;
};

}  // namespace keyrewind::api
