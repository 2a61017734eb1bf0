#pragma once

#include "base/clock.h"
#include "base/secret.h"
#include "flow/rate_limit.h"
#include "s3/credentials.h"
#include "store/object_store.h"
#include "store/report.h"

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

namespace keyrewind::s3 {

/// What a URL "s3://bucket/prefix" and the configuration beside it say.
struct S3Options {
  std::string bucket;
  std::string prefix;    ///< Without a slash at either end; may be empty.
  std::string endpoint;  ///< "https://host:port"; empty: AWS's of the region.
  std::string region;    ///< Empty: AWS_REGION, AWS_DEFAULT_REGION, the profile's, "us-east-1".
  bool path_style = false;
  std::string ca_file;
  CredentialOptions credentials{};

  std::string server_side_encryption;  ///< "", "AES256", "aws:kms", "SSE-C".
  std::string kms_key_id;
  Secret customer_key;        ///< 32 bytes, for SSE-C.
  std::string storage_class;  ///< Of data (`upload`); what is small stays in the standard class.
  std::map<std::string, std::string> tags{};
  std::string object_lock_mode;  ///< "", "GOVERNANCE", "COMPLIANCE"; on all but records.
  std::chrono::seconds object_lock_duration{0};
  /// Whether x-amz-checksum-sha256 goes with all that is written. Nothing: to AWS only.
  std::optional<bool> checksums{};

  std::size_t connections = 4;  ///< Parts of one upload that are under way at once.
  std::uint64_t part_bytes = 8U << 20;
  std::chrono::milliseconds retry_time{60000};  ///< That a request may take with all its retries.
  std::chrono::milliseconds stall_timeout{10000};
  bool locks = true;  ///< Whether try_lock takes leases at all.
  std::chrono::milliseconds lock_ttl{30000};
  flow::RateLimit* upload_limit = nullptr;
  flow::RateLimit* download_limit = nullptr;
  store::Observer observer{};
};

/// Objects in a bucket of an S3-compatible store.
///
/// Small objects are one PUT with If-None-Match; large ones a multipart upload whose parts go up
/// side by side, from `connections` + 1 buffers of `part_bytes`, and a single PUT if they turn out
/// small. After 8000 parts come larger ones, one at a time: with parts of 8 MiB an object may have
/// 187 GiB. Every request carries the SHA-256 of its payload, and is tried again in one place until
/// `retry_time` is over; it is tried at least twice.
///
/// Whether conditional writes can be trusted is found out by trying, before the first write that
/// rests on them. Locks are leases under "leases/", which only listings of names that begin so
/// show; with `locks` false whoever asks gets one. A 404 that does not come from S3 is a failure,
/// never a missing object.
class S3Store final : public store::ObjectStore {
 public:
  /// Nothing is contacted yet. `clock` must outlive the store.
  S3Store(S3Options options, const Clock& clock);
  ~S3Store() override;

  std::string url() const override;
  void create() override;
  bool put_if_absent(const std::string& name, ByteView content, std::stop_token stop) override;
  std::unique_ptr<store::Upload> upload(const std::string& name, std::stop_token stop) override;
  std::optional<Bytes> get(const std::string& name, std::uint64_t max_bytes,
                           std::stop_token stop) const override;
  void read(const std::string& name, std::uint64_t offset, std::span<std::byte> into,
            std::stop_token stop) const override;
  std::optional<store::ObjectInfo> head(const std::string& name,
                                        std::stop_token stop) const override;
  std::vector<store::ObjectInfo> list(const std::string& prefix,
                                      std::stop_token stop) const override;
  void visit(const std::string& prefix, const store::TakeObject& take,
             std::stop_token stop) const override;
  bool empty(std::stop_token stop) const override;
  void remove(const std::string& name, std::stop_token stop) override;
  void remove_all(const std::vector<std::string>& names, std::stop_token stop) override;
  bool copy_within(const store::ObjectStore& from, const std::string& name,
                   std::stop_token stop) override;
  std::optional<store::Record> read_record(const std::string& name,
                                           std::stop_token stop) const override;
  std::optional<std::string> swap_record(const std::string& name, ByteView content,
                                         const std::optional<std::string>& expected,
                                         std::stop_token stop) override;
  ConditionalWrites conditional_writes(std::stop_token stop) override;
  std::size_t remove_abandoned_uploads(const std::string& prefix, const store::WhichNames& which,
                                       std::stop_token stop) override;
  std::unique_ptr<store::StoreLock> try_lock(const std::string& name,
                                             std::stop_token stop) override;

  /// How far the store's clock is ahead of ours, by the Date of its last answer.
  std::optional<std::chrono::seconds> clock_ahead() const override;

 private:
  class Work;
  const std::unique_ptr<Work> work_;
};

}  // namespace keyrewind::s3
