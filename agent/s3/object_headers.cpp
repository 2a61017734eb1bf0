#include "s3/object_headers.h"

#include "base/error.h"
#include "codec/md5.h"
#include "codec/sha256.h"
#include "s3/base64.h"
#include "s3/signer.h"
#include "s3/xml.h"

#include <fmt/format.h>

#include <utility>

namespace keyrewind::s3 {
namespace {

constexpr std::string_view kCustomerKey = "SSE-C";
constexpr std::size_t kCustomerKeyBytes = 32;

/// The x-amz-tagging header: like a query.
std::string tagging(const std::map<std::string, std::string>& tags) {
  std::string text;
  for (const auto& [name, value] : tags) {
    text += fmt::format("{}{}={}", text.empty() ? "" : "&", uri_encode(name, false),
                        uri_encode(value, false));
  }
  return text;
}

http::Headers customer_key_headers(const S3Options& options) {
  if (options.server_side_encryption != kCustomerKey) {
    return {};
  }
  const ByteView key = as_bytes(options.customer_key.reveal());
  if (key.size() != kCustomerKeyBytes) {
    throw Error(Side::repository, ErrorKind::config,
                fmt::format("the key for SSE-C has {} bytes; it must have {}", key.size(),
                            kCustomerKeyBytes));
  }
  return {{"x-amz-server-side-encryption-customer-algorithm", "AES256"},
          {"x-amz-server-side-encryption-customer-key", to_base64(key)},
          {"x-amz-server-side-encryption-customer-key-MD5", to_base64(codec::md5(key))}};
}

}  // namespace

ObjectHeaders::ObjectHeaders(const S3Options& options, bool checksums, const Clock& clock)
    : encryption_(options.server_side_encryption),
      kms_key_id_(options.kms_key_id),
      storage_class_(options.storage_class),
      tagging_(tagging(options.tags)),
      lock_mode_(options.object_lock_mode),
      lock_duration_(options.object_lock_duration),
      checksums_(checksums),
      clock_(clock),
      customer_key_(customer_key_headers(options)) {}

std::string ObjectHeaders::retention() const {
  return write_retention(lock_mode_, retained_until());
}

http::Headers ObjectHeaders::for_new(ObjectKind kind) const {
  http::Headers headers = customer_key_;
  add_encryption(headers);
  if (kind == ObjectKind::data) {
    headers.emplace_back(kDataHeader, "1");
    if (!storage_class_.empty()) {
      headers.emplace_back("x-amz-storage-class", storage_class_);
    }
  }
  if (!tagging_.empty()) {
    headers.emplace_back("x-amz-tagging", tagging_);
  }
  if (kind != ObjectKind::record) {
    add_lock(headers);
  }
  return headers;
}

http::Headers ObjectHeaders::for_copy_source() const {
  http::Headers headers;
  constexpr std::string_view kPrefix = "x-amz-";
  for (const auto& [name, value] : customer_key_) {
    headers.emplace_back("x-amz-copy-source-" + name.substr(kPrefix.size()), value);
  }
  return headers;
}

std::string ObjectHeaders::add_checksum(http::Headers& headers, ByteView body,
                                        ObjectKind kind) const {
  if (checksums_) {
    codec::Sha256 hash;
    hash.feed(body);
    std::string checksum = to_base64(hash.digest());
    headers.emplace_back("x-amz-checksum-sha256", checksum);
    return checksum;
  }
  if (kind != ObjectKind::record && locks()) {
    headers.push_back(content_md5(body));
  }
  return "";
}

void ObjectHeaders::add_encryption(http::Headers& headers) const {
  if (encryption_.empty() || encryption_ == kCustomerKey) {
    return;
  }
  headers.emplace_back("x-amz-server-side-encryption", encryption_);
  if (!kms_key_id_.empty()) {
    headers.emplace_back("x-amz-server-side-encryption-aws-kms-key-id", kms_key_id_);
  }
}

void ObjectHeaders::add_lock(http::Headers& headers) const {
  if (!locks()) {
    return;
  }
  headers.emplace_back("x-amz-object-lock-mode", lock_mode_);
  headers.emplace_back("x-amz-object-lock-retain-until-date", retained_until());
}

std::string ObjectHeaders::retained_until() const {
  return to_rfc3339(clock_.now() + lock_duration_);
}

std::pair<std::string, std::string> content_md5(ByteView body) {
  return {"content-md5", to_base64(codec::md5(body))};
}

}  // namespace keyrewind::s3
