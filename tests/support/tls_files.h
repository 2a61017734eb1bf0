#pragma once

#include "support/temp_dir.h"

#include <filesystem>
#include <string>

namespace keyrewind::test {

/// Keys and certificates for tests, fresh each time, made by the `openssl` program. Throws
/// std::runtime_error with what it said if it fails.
class TlsFiles {
 public:
  TlsFiles();

  /// Trusts all certificates below but `stranger_cert`.
  std::filesystem::path ca_cert() const { return folder_ / "ca.crt"; }

  /// For "localhost", "node.example" and 127.0.0.1.
  std::filesystem::path server_cert() const { return folder_ / "server.crt"; }
  std::filesystem::path server_key() const { return folder_ / "server.key"; }

  /// For the same names, from an authority that nobody trusts.
  std::filesystem::path stranger_cert() const { return folder_ / "stranger.crt"; }
  std::filesystem::path stranger_key() const { return folder_ / "stranger.key"; }

  /// For the same names, for one day in 2020.
  std::filesystem::path expired_cert() const { return folder_ / "expired.crt"; }
  std::filesystem::path expired_key() const { return folder_ / "server.key"; }

  std::filesystem::path client_cert() const { return folder_ / "client.crt"; }
  std::filesystem::path client_key() const { return folder_ / "client.key"; }

  /// The client's key behind a password.
  std::filesystem::path locked_key() const { return folder_ / "locked.key"; }

  /// A name in the same folder, for what a test adds.
  std::filesystem::path operator/(const std::string& name) const { return folder_ / name; }

 private:
  void make_authority(const std::string& name);
  void make_certificate(const std::string& name, const std::string& authority);
  void make_expired_certificate();

  TempDir folder_;
};

}  // namespace keyrewind::test
