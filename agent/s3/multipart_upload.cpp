#include "s3/multipart_upload.h"

#include "base/error.h"
#include "base/log.h"
#include "base/random.h"
#include "s3/abandoned_uploads.h"
#include "store/stop.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

namespace keyrewind::s3 {
namespace {

using std::chrono::seconds;

constexpr std::size_t kNonceBytes = 16;

/// Stores put large objects together before they answer: AWS may take minutes (Amazon S3 API
/// Reference, CompleteMultipartUpload).
constexpr seconds kCompletePatience{300};

/// What an upload that is given up may still take.
constexpr seconds kAbortTime{5};

}  // namespace

MultipartUpload::MultipartUpload(std::shared_ptr<Objects> objects, std::string name, PartPlan plan,
                                 std::stop_token stop)
    : objects_(std::move(objects)),
      name_(std::move(name)),
      plan_(plan),
      nonce_(random_hex(kNonceBytes)),
      stop_(std::move(stop)),
      on_stop_(stop_, [this] { ending_.request_stop(); }),
      pool_(plan.connections + 1, [] { return Bytes(); }),
      queue_(plan.connections + 1) {}

MultipartUpload::~MultipartUpload() {
  if (finished_) {
    return;
  }
  ending_.request_stop();
  group_.reset();
  if (is_multipart()) {
    abort();
  }
}

void MultipartUpload::append(ByteView bytes) {
  store::throw_if_stopped(stop_);
  digest_.feed(bytes);
  bytes_ += bytes.size();
  while (!bytes.empty()) {
    // The last part stays here until it is known to be the last: it may be the only one.
    if (gathering_ && (*gathering_)->size() == part_bytes()) {
      or_throw_what_failed([this] { send_gathered(); });
    }
    Bytes& part = gather();
    const ByteView head =
        bytes.first(std::min<std::size_t>(bytes.size(), part_bytes() - part.size()));
    part.insert(part.end(), head.begin(), head.end());
    bytes = bytes.subspan(head.size());
  }
}

store::StoredBytes MultipartUpload::complete() {
  store::throw_if_stopped(stop_);
  or_throw_what_failed([this] { is_multipart() ? complete_parts() : put_whole(); });
  finished_ = true;
  return digest_.finish();
}

/// The part that is being filled.
Bytes& MultipartUpload::gather() {
  if (!gathering_) {
    or_throw_what_failed([this] { gathering_ = pool_.borrow(ending_.get_token()); });
    (*gathering_)->clear();
    (*gathering_)->reserve(part_bytes());
  }
  return **gathering_;
}

void MultipartUpload::send_gathered() {
  if (!is_multipart()) {
    create();
    group_ = std::make_unique<flow::Group>(ending_.get_token());
  }
  if (parts_ == plan_.most_parts) {
    throw failed(fmt::format("has more than {} parts; larger ones are needed", plan_.most_parts));
  }
  const std::size_t index = parts_++;
  if (index < plan_.parts_side_by_side) {
    start_sender();
    queue_.push({index, *std::exchange(gathering_, std::nullopt)}, ending_.get_token());
    return;
  }
  send_part(index, **gathering_, ending_.get_token());
  gathering_.reset();
}

void MultipartUpload::create() {
  Call create = call("create_upload", "POST");
  create.query = {{"uploads", ""}};
  create.headers = objects_->headers().for_new(ObjectKind::data);
  create.headers.emplace_back(kUploadHeader, nonce_);
  if (objects_->headers().checksums()) {
    create.headers.emplace_back("x-amz-checksum-algorithm", "SHA256");
  }
  create.check = [](const http::Response& response) { (void)read_upload_id(response.body); };
  const Answer answer = objects_->requests().send(create, ending_.get_token());
  upload_id_ = read_upload_id(answer.response.body);
  create_uncertain_ = answer.uncertain;
}

void MultipartUpload::start_sender() {
  if (senders_ < plan_.connections) {
    group_->spawn(fmt::format("part-{}", senders_++), [this](const std::stop_token& stop) {
      try {
        send_parts(stop);
      } catch (...) {
        ending_.request_stop();  // Whoever appends waits for a buffer.
        throw;
      }
    });
  }
}

void MultipartUpload::send_parts(const std::stop_token& stop) {
  while (const auto part = queue_.pop(stop)) {
    send_part(part->index, *part->bytes, stop);
  }
}

void MultipartUpload::send_part(std::size_t index, ByteView bytes, const std::stop_token& stop) {
  Call put = call("put_part", "PUT");
  put.query = {{"partNumber", std::to_string(index + 1)}, {"uploadId", upload_id_}};
  put.headers = objects_->headers().for_content();
  put.body = bytes;
  SentPart sent;
  sent.checksum = objects_->headers().add_checksum(put.headers, bytes, ObjectKind::data);
  const Answer answer = objects_->requests().send(put, stop);
  sent.etag = answer.response.header("etag");
  const std::lock_guard lock(mutex_);
  sent_.resize(std::max(sent_.size(), index + 1));
  sent_[index] = std::move(sent);
}

void MultipartUpload::wait_for_parts() {
  queue_.finish();
  group_->wait();
}

/// A part that failed stops what the caller waits for: then it is that failure which counts.
template <typename Call>
void MultipartUpload::or_throw_what_failed(Call call) {
  try {
    call();
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::cancelled && group_) {
      group_->wait();
    }
    throw;
  }
}

void MultipartUpload::put_whole() {
  const ByteView content = gathering_ ? ByteView(**gathering_) : ByteView();
  if (!objects_->create(name_, content, ObjectKind::data, ending_.get_token())) {
    throw failed("is there already");
  }
}

void MultipartUpload::complete_parts() {
  if (gathering_) {
    send_gathered();
  }
  wait_for_parts();
  if (objects_->head(name_, ending_.get_token())) {
    throw failed("is there already");
  }
  Call complete = call("complete_upload", "POST");
  const std::string body = write_complete(sent_);
  complete.query = {{"uploadId", upload_id_}};
  complete.headers = {{"content-type", "application/xml"}};
  if (objects_->headers().checksums()) {
    const http::Headers& keys = objects_->headers().for_content();
    complete.headers.insert(complete.headers.end(), keys.begin(), keys.end());
  }
  complete.body = as_bytes(body);
  complete.stall_timeout = kCompletePatience;
  complete.expected = {404};
  complete.fails_late = true;
  const Answer answer = objects_->requests().send(complete, ending_.get_token());
  // An upload that is not there any more may be one that an earlier try completed.
  if (!answer.ok() && !answer.uncertain) {
    throw failed("can't be completed: its upload was removed meanwhile");
  }
  check_completed();
  if (create_uncertain_) {
    abort_others();
  }
}

/// Trusts the store's answer only once the object is there, ours and whole.
void MultipartUpload::check_completed() {
  const auto there = objects_->head(name_, ending_.get_token());
  if (!there || there->upload != nonce_) {
    throw failed(there ? "was written by somebody else at the same time"
                       : "is not there after its upload was completed");
  }
  if (there->bytes != bytes_) {
    objects_->remove(name_, ending_.get_token());
    throw Error(Side::repository, ErrorKind::corrupt,
                fmt::format("{}: object {} has {} bytes at the store, of {} that were sent",
                            objects_->place().url(), name_, there->bytes, bytes_));
  }
  objects_->lock_if_needed(name_, *there, ending_.get_token());
}

void MultipartUpload::abort() noexcept {
  try {
    Call abort = call("abort_upload", "DELETE");
    abort.query = {{"uploadId", upload_id_}};
    abort.expected = {404};
    abort.retry_time = kAbortTime;
    abort.stall_timeout = kAbortTime;
    objects_->requests().send(abort, {});
    if (create_uncertain_) {
      abort_others();
    }
  } catch (const std::exception& error) {
    log::debug("An upload could not be aborted; the next run removes it",
               {{"object", name_}, {"error", error.what()}});
  }
}

/// Names are unique: another upload of this one is what a lost answer left.
void MultipartUpload::abort_others() {
  abort_uploads(*objects_, name_, [this](const std::string& name) { return name == name_; }, {});
}

std::uint64_t MultipartUpload::part_bytes() const noexcept {
  return parts_ < plan_.parts_side_by_side ? plan_.bytes : std::max(plan_.bytes, plan_.later_bytes);
}

Call MultipartUpload::call(std::string_view operation, std::string_view method) const {
  return {.operation = operation,
          .action = operation == "abort_upload" ? "s3:AbortMultipartUpload" : "s3:PutObject",
          .method = std::string(method),
          .name = name_};
}

Error MultipartUpload::failed(std::string_view what) const {
  return {Side::repository, ErrorKind::failed,
          fmt::format("{}: object {} {}", objects_->place().url(), name_, what)};
}

}  // namespace keyrewind::s3
