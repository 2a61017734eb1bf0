#pragma once

#include "base/secret.h"

#include <chrono>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>

namespace keyrewind::api {

struct CredentialFiles {
  std::filesystem::path bearer_token;  ///< One token; empty: none is valid.
  std::filesystem::path basic_users;   ///< As `htpasswd -B` writes it; empty: none is valid.
};

/// Who may write: one bearer token, and users with bcrypt hashes of their passwords. The files are
/// read again when they change; while one can't be read, nobody has what it would allow. Any
/// thread.
class Credentials {
 public:
  /// Throws Error(config) naming the file and line that is wrong.
  explicit Credentials(CredentialFiles files);

  /// Whether anything could ever be valid.
  bool are_configured() const noexcept;

  /// Whether the Authorization header `value` is valid. It takes as long for an unknown user as for
  /// a wrong password.
  bool allow(std::string_view value);

 private:
  /// A file and the version of it that was read.
  struct Watched {
    std::filesystem::path path;
    std::string version{};

    bool has_changed();
  };

  void refresh();
  bool allow_token(std::string_view token);
  bool allow_user(std::string_view encoded);
  /// A stand-in for a secret, of no use without this process.
  std::string digest(std::string_view secret) const;

  const Secret key_;
  std::mutex mutex_;
  // Guarded by `mutex_`:
  Watched token_file_;
  Watched users_file_;
  std::optional<std::string> token_;          ///< Its digest.
  std::map<std::string, std::string> users_;  ///< Hash by name.
  std::string dummy_hash_;                    ///< For names that aren't there.
  std::set<std::string> known_good_;          ///< Digests of pairs that were right.
};

}  // namespace keyrewind::api
