#pragma once

#include "base/bytes.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

/// The documents of S3's REST API (Amazon S3 API Reference). What is read throws
/// Error(Side::repository, protocol) if it is not what it should be.
namespace keyrewind::s3 {

/// An <Error>. Fields that are missing are empty.
struct ErrorDocument {
  std::string code;
  std::string message;  ///< For people; cut, on one line.
  std::string region;   ///< Where the bucket really is.
};

/// Nothing if the document is none, whatever else it may be.
std::optional<ErrorDocument> read_error(ByteView body);

struct ListedObject {
  std::string key;
  std::uint64_t bytes = 0;
};

/// A page of ListObjectsV2 with encoding-type=url.
struct ListPage {
  std::vector<ListedObject> objects{};
  std::vector<std::string> folders{};  ///< What a delimiter cut off.
  std::string next{};                  ///< The token of the next page; empty: this is the last.
};
ListPage read_list_page(ByteView body);

struct ListedUpload {
  std::string key;
  std::string id;
};

/// A page of ListMultipartUploads with encoding-type=url.
struct UploadsPage {
  std::vector<ListedUpload> uploads{};
  bool truncated = false;
  std::string next_key{};
  std::string next_id{};
};
UploadsPage read_uploads_page(ByteView body);

/// The upload's id, out of the answer to CreateMultipartUpload.
std::string read_upload_id(ByteView body);

/// The ETag out of the answer to UploadPartCopy, as it stands there.
std::string read_copied_etag(ByteView body);

struct FailedDelete {
  std::string key;
  std::string code;
};

/// What DeleteObjects could not delete.
std::vector<FailedDelete> read_delete_result(ByteView body);

/// The body of DeleteObjects, which is to tell of failures only.
std::string write_delete(const std::vector<std::string>& keys);

/// The body of PutObjectRetention; `until` is in RFC 3339.
std::string write_retention(const std::string& mode, const std::string& until);

struct SentPart {
  std::string etag;      ///< As the store gave it.
  std::string checksum;  ///< Base64 of its SHA-256, or empty.
};

/// The body of CompleteMultipartUpload, whose parts are numbered from 1 on.
std::string write_complete(const std::vector<SentPart>& parts);

}  // namespace keyrewind::s3
