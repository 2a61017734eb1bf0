#pragma once

#include "codec/md5.h"
#include "codec/sha256.h"
#include "s3/base64.h"
#include "s3/s3_store.h"
#include "support/http_server.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace keyrewind::test {

inline constexpr const char* kFakeBucket = "bucket";
inline constexpr const char* kFakePrefix = "prefix";
inline constexpr const char* kFakeKeyId = "AKIAFAKE";
inline constexpr const char* kFakeSecret = "VerySecretSecret";

/// An S3 store of one bucket in this process, for what real ones do not show on demand: it does
/// what the API Reference says of what Keyrewind uses, checks payload hashes though no signatures,
/// and fails as it is told.
class FakeS3 {
 public:
  using Matches = std::function<bool(const HttpRequest&)>;

  /// What happens to requests.
  struct Trouble {
    Matches when;
    HttpAnswer answer = {};    ///< In place of the true one, unless only `fault` is set.
    bool carried_out = false;  ///< The request is acted on all the same.
    bool true_answer = false;  ///< The true answer is sent, with `answer.fault`.
    int times = 1;
  };

  struct Object {
    std::string content;
    std::string etag;
    std::map<std::string, std::string> headers{};
  };

  /// How this store is not like AWS's.
  struct Habits {
    bool ignores_none_match = false;
    bool ignores_match = false;
    bool wants_quotes = true;    ///< Of If-Match; else it must have none.
    bool takes_both = true;      ///< With and without.
    bool no_conditions = false;  ///< 501.
    bool no_batch_delete = false;
    bool no_copy = false;
    bool forgets_locks = false;  ///< Of multipart uploads.
    std::size_t page = 1000;
  };

  FakeS3()
      : server_([this](const HttpRequest& request) { return handle(request); },
                [this](const HttpRequest& head) { return interrupt(head); }) {}

  s3::S3Options options() const {
    s3::S3Options options;
    options.bucket = kFakeBucket;
    options.prefix = kFakePrefix;
    options.endpoint = server_.url();
    options.region = "eu-test-1";
    options.credentials.access_key_id = kFakeKeyId;
    options.credentials.secret_access_key = Secret(kFakeSecret);
    options.part_bytes = 1000;
    options.retry_time = std::chrono::milliseconds(5000);
    options.stall_timeout = std::chrono::milliseconds(300);
    return options;
  }

  void add(Trouble trouble) {
    const std::lock_guard lock(mutex_);
    troubles_.push_back(std::move(trouble));
  }

  /// Answers the next matching request with an error of S3's.
  void refuse(Matches when, int status, const std::string& code, int times = 1) {
    add({.when = std::move(when), .answer = error(status, code), .times = times});
  }

  /// Acts on the next matching request, and loses the answer.
  void lose_answer(Matches when) {
    add({.when = std::move(when),
         .answer = {.fault = HttpFault::reset_after_body},
         .carried_out = true});
  }

  /// Fails the next matching request half way.
  void break_off(Matches when, HttpFault fault, std::size_t after = 0) {
    add({.when = std::move(when),
         .answer = {.fault = fault, .fault_after = after},
         .carried_out = true,
         .true_answer = true});
  }

  Habits& habits() { return habits_; }
  HttpServer& server() { return server_; }

  /// Objects by their names below the prefix.
  std::optional<Object> object(const std::string& name) const {
    const std::lock_guard lock(mutex_);
    const auto found = objects_.find(key(name));
    return found == objects_.end() ? std::nullopt : std::optional(found->second);
  }
  void put(const std::string& name, const std::string& content) { put_key(key(name), content); }
  void put_key(const std::string& full_key, const std::string& content) {
    const std::lock_guard lock(mutex_);
    objects_[full_key] = {content, etag_of(content)};
  }
  std::size_t object_count() const {
    const std::lock_guard lock(mutex_);
    return objects_.size();
  }
  std::size_t upload_count() const {
    const std::lock_guard lock(mutex_);
    return uploads_.size();
  }

  /// The requests for which `which` holds.
  std::vector<HttpRequest> requests(const Matches& which) const {
    std::vector<HttpRequest> found = server_.requests();
    std::erase_if(found, [&](const HttpRequest& request) { return !which(request); });
    return found;
  }

  static std::string key(const std::string& name) { return std::string(kFakePrefix) + "/" + name; }
  static std::string path(const std::string& name) {
    return fmt::format("/{}/{}", kFakeBucket, key(name));
  }

  static HttpAnswer error(int status, const std::string& code, const std::string& more = "") {
    return {.status = status,
            .body = fmt::format("<?xml version=\"1.0\"?>\n<Error><Code>{}</Code><Message>It says "
                                "{}</Message>{}</Error>",
                                code, code, more)};
  }

 private:
  struct Upload {
    std::string key;
    std::map<std::string, std::string> headers;
    std::map<int, std::string> parts;
  };
  using Parameters = std::map<std::string, std::string>;

  static std::string etag_of(const std::string& content) {
    return "\"" + to_hex(codec::md5(as_bytes(content))) + "\"";
  }

  static std::string decoded(std::string_view text) {
    std::string plain;
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (text[i] == '%') {
        plain.push_back(
            static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16)));
        i += 2;
      } else {
        plain.push_back(text[i]);
      }
    }
    return plain;
  }

  static Parameters parameters(const HttpRequest& request) {
    Parameters found;
    std::istringstream query(request.query());
    for (std::string piece; std::getline(query, piece, '&');) {
      const std::size_t equals = piece.find('=');
      found[piece.substr(0, equals)] = decoded(piece.substr(equals + 1));
    }
    return found;
  }

  static std::map<std::string, std::string> kept_headers(const HttpRequest& request) {
    std::map<std::string, std::string> kept;
    for (const auto& [name, value] : request.headers) {
      if (name.starts_with("x-amz-")) {
        kept[name] = value;
      }
    }
    return kept;
  }

  HttpFault interrupt(const HttpRequest& head) {
    const std::lock_guard lock(mutex_);
    const auto trouble = std::find_if(troubles_.begin(), troubles_.end(), [&](const Trouble& t) {
      const bool early = t.answer.fault == HttpFault::reset_before_body ||
                         t.answer.fault == HttpFault::reset_in_body ||
                         t.answer.fault == HttpFault::no_reading;
      return early && t.when(head);
    });
    if (trouble == troubles_.end()) {
      return HttpFault::none;
    }
    const HttpFault fault = trouble->answer.fault;
    use_up(trouble);
    return fault;
  }

  void use_up(std::list<Trouble>::iterator trouble) {
    if (--trouble->times == 0) {
      troubles_.erase(trouble);
    }
  }

  HttpAnswer handle(const HttpRequest& request) {
    const std::lock_guard lock(mutex_);
    const auto trouble = std::find_if(troubles_.begin(), troubles_.end(),
                                      [&](const Trouble& t) { return t.when(request); });
    if (trouble == troubles_.end()) {
      return answer_truly(request);
    }
    HttpAnswer answer = trouble->answer;
    if (trouble->carried_out) {
      HttpAnswer true_answer = answer_truly(request);
      if (trouble->true_answer) {
        true_answer.fault = answer.fault;
        true_answer.fault_after = answer.fault_after;
        answer = true_answer;
      }
    }
    use_up(trouble);
    return answer;
  }

  HttpAnswer answer_truly(const HttpRequest& request) {
    if (request.header("x-amz-content-sha256") != codec::sha256_hex(as_bytes(request.body))) {
      return error(400, "XAmzContentSHA256Mismatch");
    }
    if (request.has_header("content-md5") &&
        request.header("content-md5") != s3::to_base64(codec::md5(as_bytes(request.body)))) {
      return error(400, "BadDigest");
    }
    const std::string bucket = fmt::format("/{}/", kFakeBucket);
    const std::string target = decoded(request.path());
    if (!target.starts_with(bucket)) {
      return error(404, "NoSuchBucket");
    }
    const std::string object_key = target.substr(bucket.size());
    const Parameters query = parameters(request);
    return object_key.empty() ? answer_bucket(request, query)
                              : answer_object(request, object_key, query);
  }

  HttpAnswer answer_bucket(const HttpRequest& request, const Parameters& query) {
    if (query.contains("delete")) {
      return habits_.no_batch_delete ? error(501, "NotImplemented") : delete_many(request);
    }
    if (query.contains("uploads")) {
      return list_uploads(query);
    }
    return request.method == "HEAD" ? HttpAnswer{} : list(query);
  }

  HttpAnswer answer_object(const HttpRequest& request, const std::string& object_key,
                           const Parameters& query) {
    if (query.contains("uploads")) {
      const std::string id = fmt::format("id-{}", ++last_upload_);
      uploads_[id] = {object_key, kept_headers(request), {}};
      if (habits_.forgets_locks) {
        uploads_[id].headers.erase("x-amz-object-lock-mode");
      }
      return {.body = fmt::format("<InitiateMultipartUploadResult><UploadId>{}</UploadId>"
                                  "</InitiateMultipartUploadResult>",
                                  id)};
    }
    if (query.contains("uploadId")) {
      return answer_upload(request, object_key, query);
    }
    if (query.contains("retention")) {
      objects_.at(object_key).headers["x-amz-object-lock-mode"] = "by retention";
      return {};
    }
    if (request.method == "PUT") {
      return request.has_header("x-amz-copy-source") ? copy(request, object_key)
                                                     : put_object(request, object_key);
    }
    const auto found = objects_.find(object_key);
    if (request.method == "DELETE") {
      objects_.erase(object_key);
      return {.status = 204};
    }
    if (found == objects_.end()) {
      return error(404, "NoSuchKey");
    }
    return get(request, found->second);
  }

  static HttpAnswer get(const HttpRequest& request, const Object& object) {
    HttpAnswer answer{.body = object.content, .headers = {{"ETag", object.etag}}};
    for (const auto& [name, value] : object.headers) {
      if (name.starts_with("x-amz-meta-") || name.starts_with("x-amz-object-lock-")) {
        answer.headers.emplace_back(name, value);
      }
    }
    const std::string range = request.header("range");
    if (!range.empty()) {
      const std::size_t first = std::stoul(range.substr(6));
      std::size_t last = std::stoul(range.substr(range.find('-') + 1));
      if (first >= object.content.size()) {
        return error(416, "InvalidRange");
      }
      last = std::min(last, object.content.size() - 1);
      answer.status = 206;
      answer.body = object.content.substr(first, last - first + 1);
      answer.headers.emplace_back(
          "Content-Range", fmt::format("bytes {}-{}/{}", first, last, object.content.size()));
    }
    return answer;
  }

  /// What If-Match and If-None-Match say about writing.
  std::optional<HttpAnswer> refused(const HttpRequest& request, const std::string& object_key) {
    const std::string match = request.header("if-match");
    const bool none_match = request.has_header("if-none-match");
    if (habits_.no_conditions && (none_match || !match.empty())) {
      return error(501, "NotImplemented");
    }
    const auto found = objects_.find(object_key);
    if (none_match && found != objects_.end() && !habits_.ignores_none_match) {
      return error(412, "PreconditionFailed");
    }
    if (match.empty() || habits_.ignores_match) {
      return std::nullopt;
    }
    if (found == objects_.end()) {
      return error(404, "NoSuchKey");
    }
    const std::string bare = found->second.etag.substr(1, found->second.etag.size() - 2);
    const bool quoted = match == found->second.etag;
    const bool fits = habits_.takes_both ? quoted || match == bare
                                         : (habits_.wants_quotes ? quoted : match == bare);
    return fits ? std::nullopt : std::optional(error(412, "PreconditionFailed"));
  }

  HttpAnswer put_object(const HttpRequest& request, const std::string& object_key) {
    if (auto refusal = refused(request, object_key)) {
      return *refusal;
    }
    const std::string etag = etag_of(request.body);
    objects_[object_key] = {request.body, etag, kept_headers(request)};
    return {.headers = {{"ETag", etag}}};
  }

  std::optional<std::string> copied_content(const HttpRequest& request) const {
    const std::string source = decoded(request.header("x-amz-copy-source"));
    const auto found = objects_.find(source.substr(source.find('/', 1) + 1));
    if (found == objects_.end()) {
      return std::nullopt;
    }
    const std::string range = request.header("x-amz-copy-source-range");
    if (range.empty()) {
      return found->second.content;
    }
    const std::size_t first = std::stoul(range.substr(6));
    const std::size_t last = std::stoul(range.substr(range.find('-') + 1));
    return found->second.content.substr(first, last - first + 1);
  }

  HttpAnswer copy(const HttpRequest& request, const std::string& object_key) {
    const auto content = copied_content(request);
    if (habits_.no_copy) {
      return error(501, "NotImplemented");
    }
    if (!content) {
      return error(404, "NoSuchKey");
    }
    objects_[object_key] = {*content, etag_of(*content), kept_headers(request)};
    return {.body = fmt::format("<CopyObjectResult><ETag>{}</ETag></CopyObjectResult>",
                                etag_of(*content))};
  }

  HttpAnswer answer_upload(const HttpRequest& request, const std::string& object_key,
                           const Parameters& query) {
    const auto upload = uploads_.find(query.at("uploadId"));
    if (upload == uploads_.end() || upload->second.key != object_key) {
      return error(404, "NoSuchUpload");
    }
    if (request.method == "DELETE") {
      uploads_.erase(upload);
      return {.status = 204};
    }
    if (request.method == "POST") {
      return complete(request, upload->second, query.at("uploadId"));
    }
    const int number = std::stoi(query.at("partNumber"));
    if (request.has_header("x-amz-copy-source")) {
      const std::string content = *copied_content(request);
      upload->second.parts[number] = content;
      return {.body = fmt::format("<CopyPartResult><ETag>{}</ETag></CopyPartResult>",
                                  etag_of(content))};
    }
    upload->second.parts[number] = request.body;
    return {.headers = {{"ETag", etag_of(request.body)}}};
  }

  HttpAnswer complete(const HttpRequest& request, const Upload& upload, const std::string& id) {
    std::string content;
    for (const auto& [number, part] : upload.parts) {
      const std::string etag = to_hex(codec::md5(as_bytes(part)));
      if (request.body.find(etag) == std::string::npos) {
        return error(400, "InvalidPart");
      }
      content += part;
    }
    objects_[upload.key] = {content, "\"multipart-" + id + "\"", upload.headers};
    uploads_.erase(id);
    return {.body =
                "<CompleteMultipartUploadResult><ETag>x</ETag></CompleteMultipartUploadResult>"};
  }

  HttpAnswer list(const Parameters& query) const {
    const auto value = [&](const char* name) {
      return query.contains(name) ? query.at(name) : std::string();
    };
    const std::string prefix = value("prefix");
    std::string body = "<ListBucketResult><EncodingType>url</EncodingType>";
    std::size_t count = 0;
    std::string last;
    std::string folder;
    for (auto object = objects_.upper_bound(value("continuation-token")); object != objects_.end();
         ++object) {
      const std::string& name = object->first;
      if (!name.starts_with(prefix)) {
        continue;
      }
      const std::size_t slash = name.find('/', prefix.size());
      if (!value("delimiter").empty() && slash != std::string::npos) {
        if (name.substr(0, slash + 1) != folder) {
          folder = name.substr(0, slash + 1);
          body += fmt::format("<CommonPrefixes><Prefix>{}</Prefix></CommonPrefixes>", folder);
        }
        continue;
      }
      if (count == habits_.page) {
        return {.body = body + fmt::format("<IsTruncated>true</IsTruncated><NextContinuationToken>"
                                           "{}</NextContinuationToken></ListBucketResult>",
                                           last)};
      }
      body += fmt::format("<Contents><Key>{}</Key><Size>{}</Size></Contents>", url_encoded(name),
                          object->second.content.size());
      last = name;
      ++count;
    }
    return {.body = body + "<IsTruncated>false</IsTruncated></ListBucketResult>"};
  }

  static std::string url_encoded(const std::string& name) {
    std::string encoded;
    for (const char c : name) {
      const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
      encoded += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
    return encoded;
  }

  HttpAnswer list_uploads(const Parameters& query) const {
    std::string body = "<ListMultipartUploadsResult>";
    std::size_t count = 0;
    std::string last;
    const std::string marker =
        query.contains("upload-id-marker") ? query.at("upload-id-marker") : "";
    for (auto upload = uploads_.upper_bound(marker); upload != uploads_.end(); ++upload) {
      if (!upload->second.key.starts_with(query.at("prefix"))) {
        continue;
      }
      if (count++ == habits_.page) {
        return {.body = body + fmt::format("<IsTruncated>true</IsTruncated><NextKeyMarker>k"
                                           "</NextKeyMarker><NextUploadIdMarker>{}"
                                           "</NextUploadIdMarker></ListMultipartUploadsResult>",
                                           last)};
      }
      body += fmt::format("<Upload><Key>{}</Key><UploadId>{}</UploadId></Upload>",
                          upload->second.key, upload->first);
      last = upload->first;
    }
    return {.body = body + "</ListMultipartUploadsResult>"};
  }

  HttpAnswer delete_many(const HttpRequest& request) {
    if (!request.has_header("content-md5")) {
      return error(400, "InvalidRequest");
    }
    std::string failures;
    std::size_t at = 0;
    constexpr std::string_view kOpen = "<Key>";
    while ((at = request.body.find(kOpen, at)) != std::string::npos) {
      at += kOpen.size();
      const std::string name = request.body.substr(at, request.body.find('<', at) - at);
      if (name.ends_with("locked")) {
        failures += fmt::format("<Error><Key>{}</Key><Code>AccessDenied</Code></Error>", name);
      } else {
        objects_.erase(name);
      }
    }
    return {.body = "<DeleteResult>" + failures + "</DeleteResult>"};
  }

  mutable std::mutex mutex_;  ///< Guards what follows.
  Habits habits_;
  std::list<Trouble> troubles_;
  std::map<std::string, Object> objects_;
  std::map<std::string, Upload> uploads_;
  int last_upload_ = 0;
  HttpServer server_;  ///< Last: its threads end first.
};

/// Requests of one method.
inline FakeS3::Matches with_method(const std::string& method) {
  return [method](const HttpRequest& request) { return request.method == method; };
}

/// Requests of one method for one object, whatever their query.
inline FakeS3::Matches on_object(const std::string& method, const std::string& name) {
  return [method, path = FakeS3::path(name)](const HttpRequest& request) {
    return request.method == method && request.path() == path;
  };
}

/// Requests of one method with a text in their query.
inline FakeS3::Matches with_query(const std::string& method, const std::string& text) {
  return [method, text](const HttpRequest& request) {
    return request.method == method && request.query().find(text) != std::string::npos;
  };
}

}  // namespace keyrewind::test
