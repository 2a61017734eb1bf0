#pragma once

#include "base/clock.h"
#include "http/client.h"
#include "s3/s3_store.h"

#include <chrono>
#include <string>
#include <utility>

namespace keyrewind::s3 {

/// What an object is for: not all get the same headers.
enum class ObjectKind {
  data,    ///< Large: in the storage class that was chosen.
  small,   ///< In the standard class: classes for rare reads have a least size and a least time.
  record,  ///< Written again and again: never locked.
};

/// The header that tells whose writing an object comes from: after an answer was lost it is how we
/// know our own.
inline constexpr const char* kUploadHeader = "x-amz-meta-keyrewind-upload";

/// Stands on objects of ObjectKind::data, so that a copy is treated like its original.
inline constexpr const char* kDataHeader = "x-amz-meta-keyrewind-data";

/// The headers by which options come to the store: encryption, storage class, tags, object lock,
/// checksums.
///
/// Every request says the SHA-256 of its body in x-amz-content-sha256, and stores refuse a body
/// that does not match (measured with Ceph RGW and Swift): what is stored is what was sent, and no
/// ETag is compared with an MD5, which would cost more than all else here and is none with SSE-KMS,
/// SSE-C and multipart uploads. x-amz-checksum-sha256, which AWS keeps with the object and wants in
/// buckets with object lock, goes to AWS only: other stores ignore it (RGW 16) or refuse what they
/// do not know. They get Content-MD5 where object lock needs one of the two.
class ObjectHeaders {
 public:
  ObjectHeaders(const S3Options& options, bool checksums, const Clock& clock);

  bool checksums() const noexcept { return checksums_; }

  /// Whether objects other than records are locked.
  bool locks() const noexcept { return !lock_mode_.empty(); }

  /// The body of the request that locks an object which is there.
  std::string retention() const;

  /// Of what creates an object: PUT, CreateMultipartUpload, CopyObject.
  http::Headers for_new(ObjectKind kind) const;

  /// Of what reads an object or writes a part.
  http::Headers for_content() const { return customer_key_; }

  /// Of what copies an object that was written with these headers.
  http::Headers for_copy_source() const;

  /// Adds what vouches for `body`, of an object or a part. Returns its checksum in base64, if it
  /// has one.
  std::string add_checksum(http::Headers& headers, ByteView body, ObjectKind kind) const;

 private:
  void add_encryption(http::Headers& headers) const;
  void add_lock(http::Headers& headers) const;
  std::string retained_until() const;

  const std::string encryption_;
  const std::string kms_key_id_;
  const std::string storage_class_;
  const std::string tagging_;
  const std::string lock_mode_;
  const std::chrono::seconds lock_duration_;
  const bool checksums_;
  const Clock& clock_;
  http::Headers customer_key_;
};

/// The Content-MD5 of `body`.
std::pair<std::string, std::string> content_md5(ByteView body);

}  // namespace keyrewind::s3
