#pragma once

#include "support/process.h"
#include "support/s3_client.h"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace keyrewind::test {

/// Call it in SetUp or first in a test body: skips the test if the server's packages are not on
/// this machine, or fails it when KEYREWIND_REQUIRE_SERVERS=1 or CI=true. In a body or in a SetUp
/// that goes on, follow with `if (testing::Test::IsSkipped() || testing::Test::HasFatalFailure())
/// return;`.
void require_rgw();
void require_swift();

struct BucketOptions {
  bool versioned = false;
  bool object_lock = false;  ///< Makes it a versioned one as well.
};

/// A bucket of its own name, removed with all it holds at the end.
class S3Bucket {
 public:
  S3Bucket(S3Client client, const BucketOptions& options);
  ~S3Bucket();
  S3Bucket(S3Bucket&& other) noexcept;
  S3Bucket& operator=(S3Bucket&&) = delete;
  S3Bucket(const S3Bucket&) = delete;
  S3Bucket& operator=(const S3Bucket&) = delete;

  const std::string& name() const noexcept { return name_; }

  std::vector<std::string> keys(const std::string& prefix = {}) const {
    return client_.list(name_, prefix);
  }
  std::vector<std::string> uploads() const { return client_.uploads(name_); }
  void set_policy(const std::string& json) const { client_.set_policy(name_, json); }

  /// Removes the bucket with all it holds, and makes it again.
  void lose() const { client_.remove_bucket(name_); }
  void make_again() const { client_.make_bucket(name_); }

  const S3Client& client() const noexcept { return client_; }

 private:
  S3Client client_;
  std::string name_;
};

/// An S3 server that all tests of a run share, so nobody may stop it: Ceph's gateway, or Swift. Who
/// comes first starts it (under ctest a fixture does), and it ends when the last process that used
/// it has. What is in it costs memory two or three times over.
class S3Server {
 public:
  /// One for this process, started when it is first asked for. Throws std::runtime_error if it
  /// cannot be.
  static const S3Server& rgw();
  static const S3Server& swift();

  const std::string& endpoint() const noexcept { return client_.endpoint(); }
  const std::string& access_key() const noexcept { return client_.keys().access_key; }
  const std::string& secret_key() const noexcept { return client_.keys().secret_key; }

  /// The server as its owner of all buckets sees it.
  const S3Client& client() const noexcept { return client_; }

  S3Bucket new_bucket(const BucketOptions& options = {}) const {
    return S3Bucket(client_, options);
  }

  /// Of Ceph's alone: a further user, who may nothing with the buckets of others.
  S3Keys new_user() const;

 private:
  friend class RgwGateway;
  S3Server(const std::string& script, const std::filesystem::path& folder);

  std::filesystem::path script_;
  std::filesystem::path folder_;
  S3Client client_;
};

/// One more gateway to the same users and buckets as S3Server::rgw(), for one test alone: to be
/// stopped, frozen and encrypted. It dies with the test.
class RgwGateway {
 public:
  /// Ready when this returns. With `pem`, a file that holds a certificate and its key, it is TLS.
  explicit RgwGateway(std::filesystem::path pem = {});

  std::string endpoint() const;
  std::uint16_t port() const noexcept { return port_; }

  /// Connections are refused from here on: SIGKILL.
  void stop();
  /// On the same port as before.
  void start();
  /// Takes connections and requests, but answers none: SIGSTOP.
  void freeze();
  void thaw();

 private:
  std::filesystem::path pem_;
  std::uint16_t port_ = 0;
  std::optional<Process> process_;
};

}  // namespace keyrewind::test
