#include "s3/abandoned_uploads.h"

#include "s3/xml.h"

#include <optional>
#include <utility>
#include <vector>

namespace keyrewind::s3 {
namespace {

/// The uploads under way of what begins with `prefix`: all, before the first of them is aborted and
/// the pages move.
std::vector<ListedUpload> list_uploads(Objects& objects, const std::string& prefix,
                                       const std::stop_token& stop) {
  std::vector<ListedUpload> uploads;
  Call call{
      .operation = "list_uploads",
      .action = "s3:ListBucketMultipartUploads",
      .on_bucket = true,
      .check = [](const http::Response& response) { (void)read_uploads_page(response.body); }};
  std::string key_marker;
  std::string id_marker;
  while (true) {
    call.query = {
        {"uploads", ""}, {"encoding-type", "url"}, {"prefix", objects.place().key(prefix)}};
    if (!key_marker.empty()) {
      call.query.emplace_back("key-marker", key_marker);
      call.query.emplace_back("upload-id-marker", id_marker);
    }
    const Answer answer = objects.requests().send(call, stop);
    UploadsPage page = read_uploads_page(answer.response.body);
    uploads.insert(uploads.end(), page.uploads.begin(), page.uploads.end());
    const bool goes_on =
        page.next_key > key_marker || (page.next_key == key_marker && page.next_id != id_marker);
    if (!page.truncated || !goes_on) {
      return uploads;
    }
    key_marker = std::move(page.next_key);
    id_marker = std::move(page.next_id);
  }
}

}  // namespace

std::size_t abort_uploads(Objects& objects, const std::string& prefix,
                          const store::WhichNames& which, const std::stop_token& stop) {
  std::size_t count = 0;
  for (const ListedUpload& upload : list_uploads(objects, prefix, stop)) {
    const std::optional<std::string> name = objects.place().name(upload.key);
    if (!name || !store::is_valid_name(*name) || !which(*name)) {
      continue;
    }
    objects.requests().send({.operation = "abort_upload",
                             .action = "s3:AbortMultipartUpload",
                             .method = "DELETE",
                             .name = *name,
                             .query = {{"uploadId", upload.id}},
                             .expected = {404}},
                            stop);
    ++count;
  }
  return count;
}

}  // namespace keyrewind::s3
