#include "s3/server_copy.h"

#include "base/error.h"
#include "base/random.h"
#include "s3/signer.h"
#include "s3/xml.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

namespace keyrewind::s3 {
namespace {

constexpr std::size_t kNonceBytes = 16;

/// Stores that move the bytes answer when they have.
constexpr std::chrono::seconds kCopyPatience{300};

constexpr std::chrono::seconds kAbortTime{5};

/// One copy.
class ServerCopy {
 public:
  ServerCopy(Objects& from, Objects& to, std::string name, const std::stop_token& stop)
      : from_(from), to_(to), name_(std::move(name)), stop_(stop) {}

  bool run(const CopyPlan& plan) {
    const auto source = from_.head(name_, stop_);
    if (!source) {
      return false;
    }
    if (to_.head(name_, stop_)) {
      throw failed(ErrorKind::failed, "is there already");
    }
    source_ = *source;
    const bool copied = source_.bytes <= plan.most_at_once ? copy_whole() : copy_parts(plan);
    if (copied) {
      check_copied();
    }
    return copied;
  }

 private:
  bool copy_whole() {
    Call copy = call("copy", "PUT");
    copy.headers = new_object_headers();
    copy.headers.emplace_back("x-amz-metadata-directive", "REPLACE");
    copy.headers.emplace_back("x-amz-tagging-directive", "REPLACE");
    add_source(copy.headers);
    return to_.requests().send(copy, stop_).ok();
  }

  bool copy_parts(const CopyPlan& plan) {
    Call create = call("create_upload", "POST");
    create.query = {{"uploads", ""}};
    create.headers = new_object_headers();
    create.fails_late = false;
    create.expected = {};
    const std::string id = read_upload_id(to_.requests().send(create, stop_).response.body);
    try {
      return copy_parts_to(id, plan) || (abort(id), false);
    } catch (...) {
      abort(id);
      throw;
    }
  }

  bool copy_parts_to(const std::string& id, const CopyPlan& plan) {
    std::vector<SentPart> parts;
    for (std::uint64_t at = 0; at < source_.bytes; at += plan.part_bytes) {
      Call copy = call("copy_part", "PUT");
      copy.query = {{"partNumber", std::to_string(parts.size() + 1)}, {"uploadId", id}};
      copy.headers = to_.headers().for_content();
      add_source(copy.headers);
      copy.headers.emplace_back(
          "x-amz-copy-source-range",
          fmt::format("bytes={}-{}", at, std::min(at + plan.part_bytes, source_.bytes) - 1));
      const Answer answer = to_.requests().send(copy, stop_);
      if (!answer.ok()) {
        return false;
      }
      parts.push_back({read_copied_etag(answer.response.body), ""});
    }
    Call complete = call("complete_upload", "POST");
    const std::string body = write_complete(parts);
    complete.query = {{"uploadId", id}};
    complete.headers = {{"content-type", "application/xml"}};
    complete.body = as_bytes(body);
    complete.expected = {404};  // An earlier try may have done it: `check_copied` sees.
    to_.requests().send(complete, stop_);
    return true;
  }

  void abort(const std::string& id) noexcept {
    try {
      Call abort = call("abort_upload", "DELETE");
      abort.action = "s3:AbortMultipartUpload";
      abort.query = {{"uploadId", id}};
      abort.retry_time = kAbortTime;
      abort.stall_timeout = kAbortTime;
      to_.requests().send(abort, {});
    } catch (const std::exception&) {
      // The next run removes it.
    }
  }

  void check_copied() {
    const auto there = to_.head(name_, stop_);
    if (!there || there->upload != nonce_) {
      throw failed(ErrorKind::failed, "was not copied, or replaced at the same time");
    }
    if (there->bytes != source_.bytes) {
      to_.remove(name_, stop_);
      throw failed(ErrorKind::corrupt, "became another size while it was copied");
    }
    to_.lock_if_needed(name_, *there, stop_);
  }

  http::Headers new_object_headers() const {
    http::Headers headers =
        to_.headers().for_new(source_.is_data ? ObjectKind::data : ObjectKind::small);
    headers.emplace_back(kUploadHeader, nonce_);
    return headers;
  }

  void add_source(http::Headers& headers) const {
    const Place& place = from_.place();
    headers.emplace_back("x-amz-copy-source",
                         fmt::format("/{}/{}", place.bucket(), uri_encode(place.key(name_), true)));
    const http::Headers keys = from_.headers().for_copy_source();
    headers.insert(headers.end(), keys.begin(), keys.end());
  }

  Call call(std::string_view operation, std::string_view method) const {
    Call call{.operation = operation,
              .action = "s3:PutObject",
              .method = std::string(method),
              .name = name_,
              .stall_timeout = kCopyPatience,
              .fails_late = true};
    // A store that can't copy, or whose rights do not reach from one place to the other.
    call.expected = {403, 404, 405, 501};
    return call;
  }

  Error failed(ErrorKind kind, std::string_view what) const {
    return {Side::repository, kind,
            fmt::format("{}: object {} {}", to_.place().url(), name_, what)};
  }

  Objects& from_;
  Objects& to_;
  const std::string name_;
  const std::stop_token& stop_;
  const std::string nonce_ = random_hex(kNonceBytes);
  ObjectHead source_;
};

}  // namespace

bool copy_object(Objects& from, Objects& to, const std::string& name, const CopyPlan& plan,
                 const std::stop_token& stop) {
  return ServerCopy(from, to, name, stop).run(plan);
}

}  // namespace keyrewind::s3
