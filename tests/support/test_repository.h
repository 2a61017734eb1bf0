#pragma once

#include "support/s3_servers.h"

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace keyrewind::test {

/// Where the backups of tests go: what the variable TEST_REPOSITORY says, so that the
/// same tests run on all.
enum class RepositoryKind {
  file,    ///< "file", or no such variable: a folder.
  s3,      ///< "s3": a bucket of Ceph's gateway.
  s3_age,  ///< "s3-age": the same, encrypted.
};

RepositoryKind repository_kind();

/// Call it in SetUp or first in a test body: skips the test if what TEST_REPOSITORY wants
/// is not on this machine, or fails it where servers must be there; see require_rgw.
void require_repository();

/// A repository, for one test, and its configuration.
class TestRepository {
 public:
  /// Files of it (the folder itself, the secret, the identity) are in `folder`.
  explicit TestRepository(std::filesystem::path folder, RepositoryKind kind = repository_kind());

  /// The sections repository, lease and encryption.
  std::string yaml() const;

  /// Of the repository, as a configuration has it.
  std::string url() const;

  /// The folder that is the repository; of no use where it is none.
  std::filesystem::path folder() const { return folder_ / "repository"; }

  /// From now on `yaml` says that the store is there: a proxy before it. Of S3 alone.
  void set_endpoint(const std::string& endpoint) { endpoint_ = endpoint; }

  /// What `yaml` says about the keys from now on. Of S3 alone.
  void set_keys(const S3Keys& keys);

  /// From now on, until `set_keys`, it says that they are in the profile "test" of AWS's shared
  /// files.
  void use_profile() { in_profile_ = true; }

  /// The text of such a file.
  static std::string profile_of(const S3Keys& keys);

  /// Further lines for `yaml`, below repository, with their two spaces.
  void set_more(const std::string& lines) { more_ = lines; }

  /// The names of all objects, sorted, but for what serves as a lock.
  std::vector<std::string> names() const;

  /// Objects as they are stored, past the program.
  std::string read(const std::string& name) const;
  void write(const std::string& name, const std::string& content) const;
  void remove(const std::string& name) const;

  /// Nothing where the repository is a folder.
  const std::optional<S3Bucket>& bucket() const noexcept { return bucket_; }

  /// Where the keys of an encrypted repository are.
  std::filesystem::path identity_file() const { return folder_ / "identity.txt"; }

 private:
  std::string key_of(const std::string& name) const;
  void make_identity();

  std::filesystem::path folder_;
  RepositoryKind kind_;
  std::optional<S3Bucket> bucket_;
  std::string endpoint_;
  S3Keys keys_;
  bool in_profile_ = false;
  std::string recipient_;
  std::string more_;
};

}  // namespace keyrewind::test
