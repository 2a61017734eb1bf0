#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace keyrewind::test {

/// Who somebody is to an S3 server; the token belongs to temporary keys alone.
struct S3Keys {
  std::string access_key;
  std::string secret_key;
  std::string session_token = {};
};

struct S3Answer {
  int status = 0;
  std::map<std::string, std::string> headers = {};  ///< Names in lower case.
  std::string body = {};

  /// "NoSuchBucket"; empty if there is none.
  std::string error_code() const;
};

/// Asks an S3 server on behalf of a test: prepares buckets and looks into them. libcurl signs, so
/// that nothing here depends on the signatures that are under test. Path style; nothing is tried
/// again. All but `send` throw std::runtime_error if the server does not do what it is asked.
class S3Client {
 public:
  using Query = std::map<std::string, std::string>;
  using Headers = std::vector<std::pair<std::string, std::string>>;

  S3Client(std::string endpoint, S3Keys keys, std::string ca_file = {});

  const std::string& endpoint() const noexcept { return endpoint_; }
  const S3Keys& keys() const noexcept { return keys_; }

  /// `path` is "/bucket/key", as yet without percent signs. Throws if no answer comes.
  S3Answer send(const std::string& method, const std::string& path, const Query& query = {},
                std::string_view body = {}, const Headers& headers = {}) const;

  void make_bucket(const std::string& bucket, bool object_lock = false) const;
  /// With all that is in it, whatever the number: versions and uploads, too. Not an error if there
  /// is none.
  void remove_bucket(const std::string& bucket) const;
  void keep_versions(const std::string& bucket) const;
  /// The bucket's policy, as JSON; an empty text takes it away.
  void set_policy(const std::string& bucket, const std::string& json) const;

  /// The keys that begin with `prefix`, in order.
  std::vector<std::string> list(const std::string& bucket, const std::string& prefix = {}) const;
  /// The keys of the multipart uploads that neither completed nor were aborted.
  std::vector<std::string> uploads(const std::string& bucket) const;
  /// The object's bytes, or nothing if there is none.
  std::optional<std::string> get(const std::string& bucket, const std::string& key) const;
  void put(const std::string& bucket, const std::string& key, std::string_view content) const;
  void remove(const std::string& bucket, const std::string& key) const;

  /// Keys that end after `duration` and may all until then, from AssumeRole. Of Ceph's server
  /// alone.
  S3Keys session_keys(std::chrono::seconds duration) const;

 private:
  S3Answer expect(const std::string& method, const std::string& path, const Query& query = {},
                  std::string_view body = {}, const Headers& headers = {}) const;
  bool remove_some(const std::string& bucket) const;
  void abort_uploads(const std::string& bucket) const;

  std::string endpoint_;
  S3Keys keys_;
  std::string ca_file_;
};

}  // namespace keyrewind::test
