#include "s3/objects.h"

#include "base/error.h"
#include "base/random.h"
#include "s3/condition_probe.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

namespace keyrewind::s3 {
namespace {

constexpr std::size_t kNonceBytes = 16;

/// Failures are explained in bodies of this size at most.
constexpr std::uint64_t kExplanationBytes = 64U << 10U;

/// A "Content-Range: bytes 0-9/100".
struct ContentRange {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  std::uint64_t size = 0;
};

std::optional<std::uint64_t> to_number(std::string_view digits) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc{} || end != digits.data() + digits.size()) {
    return std::nullopt;
  }
  return value;
}

std::optional<ContentRange> read_content_range(std::string_view text) {
  constexpr std::string_view kUnit = "bytes ";
  const std::size_t dash = text.find('-');
  const std::size_t slash = text.find('/');
  if (!text.starts_with(kUnit) || dash == std::string_view::npos ||
      slash == std::string_view::npos || dash > slash) {
    return std::nullopt;
  }
  const auto first = to_number(text.substr(kUnit.size(), dash - kUnit.size()));
  const auto last = to_number(text.substr(dash + 1, slash - dash - 1));
  const auto size = to_number(text.substr(slash + 1));
  if (!first || !last || !size) {
    return std::nullopt;
  }
  return ContentRange{*first, *last, *size};
}

Error odd_answer(std::string message) {
  return {Side::repository, ErrorKind::protocol, std::move(message)};
}

/// What a read of `bytes` bytes from `offset` on must be answered with, unless the object ends
/// before.
void check_range(const http::Response& response, std::uint64_t offset, std::uint64_t bytes) {
  if (response.status == 200 && offset == 0 && response.received == bytes) {
    return;  // It is the whole object.
  }
  const auto range = read_content_range(response.header("content-range"));
  if (response.status != 206 || !range || range->first != offset) {
    throw odd_answer("the store does not answer with the range that it was asked for");
  }
  const std::uint64_t most = std::min(bytes, range->size - std::min(range->size, offset));
  if (range->last - range->first + 1 != most || response.received != most) {
    throw odd_answer("the store answers with less than the range that it was asked for");
  }
}

}  // namespace

Objects::Objects(const S3Options& options, const Clock& clock)
    : requests_(options, clock),
      headers_(options, options.checksums.value_or(requests_.place().is_aws()), clock) {}

bool Objects::create(const std::string& name, ByteView content, ObjectKind kind,
                     std::stop_token stop) {
  Call call = put_call(name, content, kind);
  if (!conditions(stop).work) {
    if (head(name, stop)) {
      return false;
    }
    requests_.send(call, stop);
    return true;
  }
  const std::string nonce = random_hex(kNonceBytes);
  call.headers.emplace_back(kUploadHeader, nonce);
  call.headers.emplace_back("if-none-match", "*");
  call.expected = {412};
  const Answer answer = requests_.send(call, stop);
  if (answer.ok() || !answer.uncertain) {
    return answer.ok();
  }
  // A try whose answer was lost may have been the one that took the name.
  const auto there = head(name, stop);
  return there && there->upload == nonce;
}

std::optional<Bytes> Objects::get(const std::string& name, std::uint64_t max_bytes,
                                  std::stop_token stop) {
  Call call = get_call(name);
  call.max_body = std::max(max_bytes, kExplanationBytes);
  Answer answer = requests_.send(call, stop);
  if (!answer.ok()) {
    return std::nullopt;
  }
  if (answer.response.body.size() > max_bytes) {
    throw wrong_object(name, fmt::format("has {} bytes where at most {} are expected",
                                         answer.response.body.size(), max_bytes));
  }
  return std::move(answer.response.body);
}

void Objects::read(const std::string& name, std::uint64_t offset, std::span<std::byte> into,
                   std::stop_token stop) {
  const auto ends_before = [&] {
    return wrong_object(name, fmt::format("ends before the {} bytes from {}", into.size(), offset));
  };
  if (into.empty()) {
    const auto there = head(name, stop);
    if (!there || there->bytes < offset) {
      throw ends_before();
    }
    return;
  }
  if (offset > UINT64_MAX - into.size()) {
    throw ends_before();
  }
  Call call = get_call(name);
  call.headers.emplace_back("range", fmt::format("bytes={}-{}", offset, offset + into.size() - 1));
  call.into = into;
  call.expected = {404, 416};
  call.check = [&](const http::Response& response) { check_range(response, offset, into.size()); };
  const Answer answer = requests_.send(call, stop);
  if (answer.status() == 404) {
    throw wrong_object(name, "is missing");
  }
  if (!answer.ok() || answer.response.received != into.size()) {
    throw ends_before();
  }
}

std::optional<ObjectHead> Objects::head(const std::string& name, std::stop_token stop) {
  const Answer answer = requests_.send({.operation = "head",
                                        .action = "s3:GetObject",
                                        .method = "HEAD",
                                        .name = name,
                                        .headers = headers_.for_content(),
                                        .expected = {404}},
                                       stop);
  if (!answer.ok()) {
    check_bucket_exists(std::move(stop));
    return std::nullopt;
  }
  const auto bytes = to_number(answer.response.header("content-length"));
  if (!bytes) {
    throw odd_answer(
        fmt::format("{}: head {}: the store does not say how long it is", place().url(), name));
  }
  return ObjectHead{*bytes, answer.response.header(kUploadHeader),
                    !answer.response.header(kDataHeader).empty(),
                    !answer.response.header("x-amz-object-lock-mode").empty()};
}

void Objects::remove(const std::string& name, std::stop_token stop) {
  requests_.send({.operation = "delete",
                  .action = "s3:DeleteObject",
                  .method = "DELETE",
                  .name = name,
                  .expected = {404}},
                 stop);
}

void Objects::lock_if_needed(const std::string& name, const ObjectHead& head,
                             std::stop_token stop) {
  if (!headers_.locks() || head.locked) {
    return;
  }
  const std::string body = headers_.retention();
  requests_.send({.operation = "lock",
                  .action = "s3:PutObjectRetention",
                  .method = "PUT",
                  .name = name,
                  .query = {{"retention", ""}},
                  .headers = {{"content-type", "application/xml"}, content_md5(as_bytes(body))},
                  .body = as_bytes(body)},
                 stop);
}

std::optional<store::Record> Objects::read_record(const std::string& name, std::stop_token stop) {
  Call call = get_call(name);
  call.max_body = std::max(store::kMaxRecordBytes, kExplanationBytes);
  Answer answer = requests_.send(call, stop);
  if (!answer.ok()) {
    return std::nullopt;
  }
  return store::Record{std::move(answer.response.body), unquoted(answer.response.header("etag"))};
}

std::optional<std::string> Objects::swap_record(const std::string& name, ByteView content,
                                                const std::optional<std::string>& expected,
                                                std::stop_token stop) {
  const Conditions found = need_conditions(stop);
  return swap(name, content, expected, found.quoted, std::move(stop));
}

std::optional<std::string> Objects::swap(const std::string& name, ByteView content,
                                         const std::optional<std::string>& expected, bool quoted,
                                         std::stop_token stop) {
  Call call = put_call(name, content, ObjectKind::record);
  if (expected) {
    call.headers.emplace_back("if-match", quoted ? fmt::format("\"{}\"", *expected) : *expected);
    call.expected = {404, 412};
  } else {
    call.headers.emplace_back("if-none-match", "*");
    call.expected = {412};
  }
  const Answer answer = requests_.send(call, stop);
  if (answer.ok() && !answer.response.header("etag").empty()) {
    return unquoted(answer.response.header("etag"));
  }
  if (!answer.ok() && !answer.uncertain) {
    return std::nullopt;
  }
  // A try whose answer was lost may have been the one that won: what it wrote is like nothing else.
  const auto there = read_record(name, stop);
  if (!there || !std::ranges::equal(there->content, content)) {
    return std::nullopt;
  }
  return there->version;
}

Conditions Objects::conditions(std::stop_token stop) {
  {
    const std::lock_guard lock(mutex_);
    if (conditions_) {
      return *conditions_;
    }
  }
  // Whoever asks at the same time finds out, too: no lock is held meanwhile.
  Conditions found = probe_conditions(*this, std::move(stop));
  const std::lock_guard lock(mutex_);
  return conditions_.emplace(std::move(found));
}

Conditions Objects::need_conditions(std::stop_token stop) {
  Conditions found = conditions(std::move(stop));
  if (!found.work) {
    throw Error(Side::repository, ErrorKind::config,
                fmt::format("{} has no conditional writes ({}); set lease.enabled to false and see "
                            "to it that only one agent writes this source",
                            place().url(), found.reason));
  }
  return found;
}

/// The answer to HEAD has no body, so that 404 may be said of the bucket.
void Objects::check_bucket_exists(std::stop_token stop) {
  const Answer answer = requests_.send({.operation = "head_bucket",
                                        .action = "s3:ListBucket",
                                        .method = "HEAD",
                                        .on_bucket = true,
                                        .expected = {403, 404}},
                                       stop);
  if (answer.status() == 404) {
    throw to_error({.status = 404, .code = "NoSuchBucket"}, "", "", place());
  }
}

Call Objects::put_call(const std::string& name, ByteView content, ObjectKind kind) const {
  Call call{.operation = "put",
            .action = "s3:PutObject",
            .method = "PUT",
            .name = name,
            .headers = headers_.for_new(kind),
            .body = content};
  headers_.add_checksum(call.headers, content, kind);
  return call;
}

Call Objects::get_call(const std::string& name) const {
  return {.operation = "get",
          .action = "s3:GetObject",
          .name = name,
          .headers = headers_.for_content(),
          .expected = {404}};
}

Error Objects::wrong_object(const std::string& name, std::string_view what) const {
  return {Side::repository, ErrorKind::corrupt,
          fmt::format("{}: object {} {}", place().url(), name, what)};
}

std::string unquoted(std::string etag) {
  if (etag.starts_with("W/")) {
    etag.erase(0, 2);
  }
  if (etag.size() >= 2 && etag.front() == '"' && etag.back() == '"') {
    etag = etag.substr(1, etag.size() - 2);
  }
  return etag;
}

}  // namespace keyrewind::s3
