#pragma once

#include "base/bytes.h"
#include "base/clock.h"
#include "s3/object_headers.h"
#include "s3/requests.h"
#include "store/object_store.h"

#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <string>

namespace keyrewind::s3 {

/// What a store knows of an object.
struct ObjectHead {
  std::uint64_t bytes = 0;
  std::string upload;  ///< The value of kUploadHeader.
  bool is_data = false;
  bool locked = false;
};

/// Whether conditional writes do what they promise, and how they must be asked for.
struct Conditions {
  bool work = true;
  std::string reason{};  ///< Why not.
  bool quoted = true;    ///< Whether If-Match takes an ETag with its quotes.
};

/// Single objects in a bucket. What a store can do is found out as it is needed. Any thread.
class Objects {
 public:
  /// `clock` must outlive this.
  Objects(const S3Options& options, const Clock& clock);

  Requests& requests() noexcept { return requests_; }
  const Place& place() const noexcept { return requests_.place(); }
  const ObjectHeaders& headers() const noexcept { return headers_; }

  /// Writes an object if its name is free. Returns whether it did: see ObjectStore::put_if_absent.
  bool create(const std::string& name, ByteView content, ObjectKind kind, std::stop_token stop);

  std::optional<Bytes> get(const std::string& name, std::uint64_t max_bytes, std::stop_token stop);
  void read(const std::string& name, std::uint64_t offset, std::span<std::byte> into,
            std::stop_token stop);
  std::optional<ObjectHead> head(const std::string& name, std::stop_token stop);
  void remove(const std::string& name, std::stop_token stop);

  /// Locks an object that should be and is not: Ceph's gateway forgets it of multipart uploads.
  void lock_if_needed(const std::string& name, const ObjectHead& head, std::stop_token stop);

  std::optional<store::Record> read_record(const std::string& name, std::stop_token stop);
  std::optional<std::string> swap_record(const std::string& name, ByteView content,
                                         const std::optional<std::string>& expected,
                                         std::stop_token stop);

  /// Found out by trying, once.
  Conditions conditions(std::stop_token stop);

  /// The same; throws Error(config) if they do not work.
  Conditions need_conditions(std::stop_token stop);

  /// What writes an object, whatever there may be.
  Call put_call(const std::string& name, ByteView content, ObjectKind kind) const;

 private:
  Call get_call(const std::string& name) const;
  std::optional<std::string> swap(const std::string& name, ByteView content,
                                  const std::optional<std::string>& expected, bool quoted,
                                  std::stop_token stop);
  void check_bucket_exists(std::stop_token stop);
  Error wrong_object(const std::string& name, std::string_view what) const;

  Requests requests_;
  ObjectHeaders headers_;
  std::mutex mutex_;
  std::optional<Conditions> conditions_;  ///< Guarded by `mutex_`.
};

/// An ETag without its quotes.
std::string unquoted(std::string etag);

}  // namespace keyrewind::s3
