#include "support/s3_client.h"

#include <curl/curl.h>
#include <openssl/evp.h>
#include <pugixml.hpp>

#include <algorithm>
#include <cctype>
#include <cstring>
#include <memory>
#include <stdexcept>

namespace keyrewind::test {
namespace {

constexpr long kTimeoutSeconds = 120;

struct CloseHandle {
  void operator()(CURL* handle) const noexcept { curl_easy_cleanup(handle); }
};
struct FreeList {
  void operator()(curl_slist* list) const noexcept { curl_slist_free_all(list); }
};

/// As libcurl's signature needs it: it signs what it is given without encoding or sorting it.
std::string encoded(std::string_view text, bool keep_slash) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string result;
  for (const char letter : text) {
    const auto code = static_cast<unsigned char>(letter);
    if (std::isalnum(code) != 0 || std::strchr("-_.~", letter) != nullptr ||
        (keep_slash && letter == '/')) {
      result += letter;
    } else {
      result += {'%', kDigits[code >> 4U], kDigits[code & 15U]};
    }
  }
  return result;
}

std::string url_of(const std::string& endpoint, const std::string& path,
                   const S3Client::Query& query) {
  std::string url = endpoint + encoded(path, true);
  char separator = '?';
  for (const auto& [name, value] : query) {
    url += separator + encoded(name, false) + "=" + encoded(value, false);
    separator = '&';
  }
  return url;
}

std::size_t take_body(char* bytes, std::size_t size, std::size_t count, void* into) {
  static_cast<std::string*>(into)->append(bytes, size * count);
  return size * count;
}

std::size_t take_header(char* bytes, std::size_t size, std::size_t count, void* into) {
  const std::string_view line(bytes, size * count);
  const auto colon = line.find(':');
  if (colon != std::string_view::npos) {
    std::string name(line.substr(0, colon));
    std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::tolower(c); });
    const auto begin = line.find_first_not_of(' ', colon + 1);
    const auto end = line.find_last_not_of("\r\n ");
    static_cast<S3Answer*>(into)->headers[name] =
        begin <= end && begin != std::string_view::npos ? line.substr(begin, end + 1 - begin) : "";
  }
  return size * count;
}

std::string sha256_hex(std::string_view content) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_Digest(content.data(), content.size(), digest, &size, EVP_sha256(), nullptr);
  std::string text;
  for (unsigned int i = 0; i < size; ++i) {
    text += {kDigits[digest[i] >> 4U], kDigits[digest[i] & 15U]};
  }
  return text;
}

std::string md5_base64(std::string_view content) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_Digest(content.data(), content.size(), digest, &size, EVP_md5(), nullptr);
  unsigned char text[2 * EVP_MAX_MD_SIZE];
  const int length = EVP_EncodeBlock(text, digest, static_cast<int>(size));
  return {text, text + length};
}

pugi::xml_document parsed(const std::string& xml) {
  pugi::xml_document document;
  if (!document.load_string(xml.c_str())) {
    throw std::runtime_error("the S3 server answers something that is no XML: " + xml);
  }
  return document;
}

std::string text_of(const std::string& xml, const char* path) {
  return parsed(xml).select_node(path).node().text().get();
}

/// For an element's text in a request.
std::string escaped(const std::string& text) {
  pugi::xml_document document;
  document.append_child(pugi::node_pcdata).set_value(text.c_str());
  struct Writer final : pugi::xml_writer {
    std::string text;
    void write(const void* data, std::size_t size) override {
      text.append(static_cast<const char*>(data), size);
    }
  } writer;
  document.print(writer, "", pugi::format_raw | pugi::format_no_declaration);
  return writer.text;
}

}  // namespace

std::string S3Answer::error_code() const {
  pugi::xml_document document;
  if (!document.load_string(body.c_str())) {
    return {};
  }
  return document.select_node("//Code").node().text().get();
}

S3Client::S3Client(std::string endpoint, S3Keys keys, std::string ca_file)
    : endpoint_(std::move(endpoint)), keys_(std::move(keys)), ca_file_(std::move(ca_file)) {}

S3Answer S3Client::send(const std::string& method, const std::string& path, const Query& query,
                        std::string_view body, const Headers& headers) const {
  const std::unique_ptr<CURL, CloseHandle> handle(curl_easy_init());
  std::unique_ptr<curl_slist, FreeList> lines;
  const auto add = [&lines](const std::string& line) {
    lines.reset(curl_slist_append(lines.release(), line.c_str()));
  };
  add("x-amz-content-sha256: " + sha256_hex(body));
  if (!keys_.session_token.empty()) {
    add("x-amz-security-token: " + keys_.session_token);
  }
  for (const auto& [name, value] : headers) {
    add(name + ": " + value);
  }
  const auto set = [&handle](CURLoption option, auto value) {
    curl_easy_setopt(handle.get(), option, value);
  };
  const std::string url = url_of(endpoint_, path, query);
  S3Answer answer;
  set(CURLOPT_URL, url.c_str());
  set(CURLOPT_PATH_AS_IS, 1L);
  set(CURLOPT_NOPROXY, "*");
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_TIMEOUT, kTimeoutSeconds);
  set(CURLOPT_AWS_SIGV4, "aws:amz:us-east-1:s3");
  set(CURLOPT_USERNAME, keys_.access_key.c_str());
  set(CURLOPT_PASSWORD, keys_.secret_key.c_str());
  set(CURLOPT_HTTPHEADER, lines.get());
  set(CURLOPT_WRITEFUNCTION, &take_body);
  set(CURLOPT_WRITEDATA, static_cast<void*>(&answer.body));
  set(CURLOPT_HEADERFUNCTION, &take_header);
  set(CURLOPT_HEADERDATA, static_cast<void*>(&answer));
  if (!ca_file_.empty()) {
    set(CURLOPT_CAINFO, ca_file_.c_str());
  }
  if (method == "HEAD") {
    set(CURLOPT_NOBODY, 1L);
  } else if (method == "PUT" || method == "POST") {
    set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
    set(CURLOPT_POSTFIELDS, body.empty() ? "" : body.data());
  }
  set(CURLOPT_CUSTOMREQUEST, method.c_str());
  const CURLcode result = curl_easy_perform(handle.get());
  if (result != CURLE_OK) {
    throw std::runtime_error(method + " " + endpoint_ + path + ": " + curl_easy_strerror(result));
  }
  long status = 0;
  curl_easy_getinfo(handle.get(), CURLINFO_RESPONSE_CODE, &status);
  answer.status = static_cast<int>(status);
  return answer;
}

S3Answer S3Client::expect(const std::string& method, const std::string& path, const Query& query,
                          std::string_view body, const Headers& headers) const {
  S3Answer answer = send(method, path, query, body, headers);
  if (answer.status / 100 != 2) {
    throw std::runtime_error(method + " " + endpoint_ + path + " is answered " +
                             std::to_string(answer.status) + ": " + answer.body);
  }
  return answer;
}

void S3Client::make_bucket(const std::string& bucket, bool object_lock) const {
  Headers headers;
  if (object_lock) {
    headers.emplace_back("x-amz-bucket-object-lock-enabled", "true");
  }
  expect("PUT", "/" + bucket, {}, {}, headers);
}

void S3Client::remove_bucket(const std::string& bucket) const {
  send("DELETE", "/" + bucket, {{"policy", ""}});
  if (send("HEAD", "/" + bucket).status == 404) {
    return;
  }
  // Somebody may still be writing: what appears between two looks is found by the next.
  constexpr int kTries = 20;
  for (int attempt = 1;; ++attempt) {
    abort_uploads(bucket);
    while (remove_some(bucket)) {
    }
    const S3Answer answer = send("DELETE", "/" + bucket);
    if (answer.status / 100 == 2 || answer.status == 404) {
      return;
    }
    if (attempt == kTries) {
      throw std::runtime_error("cannot remove the bucket " + bucket + ": " + answer.body);
    }
  }
}

void S3Client::keep_versions(const std::string& bucket) const {
  expect("PUT", "/" + bucket, {{"versioning", ""}},
         "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>");
}

void S3Client::set_policy(const std::string& bucket, const std::string& json) const {
  if (json.empty()) {
    expect("DELETE", "/" + bucket, {{"policy", ""}});
  } else {
    expect("PUT", "/" + bucket, {{"policy", ""}}, json);
  }
}

std::vector<std::string> S3Client::list(const std::string& bucket,
                                        const std::string& prefix) const {
  std::vector<std::string> keys;
  Query query{{"list-type", "2"}, {"prefix", prefix}};
  for (;;) {
    const auto page = parsed(expect("GET", "/" + bucket, query).body);
    for (const auto& key : page.select_nodes("/ListBucketResult/Contents/Key")) {
      keys.emplace_back(key.node().text().get());
    }
    const std::string token =
        page.select_node("/ListBucketResult/NextContinuationToken").node().text().get();
    if (token.empty()) {
      return keys;
    }
    query["continuation-token"] = token;
  }
}

std::vector<std::string> S3Client::uploads(const std::string& bucket) const {
  const auto page = parsed(expect("GET", "/" + bucket, {{"uploads", ""}}).body);
  std::vector<std::string> keys;
  for (const auto& key : page.select_nodes("/ListMultipartUploadsResult/Upload/Key")) {
    keys.emplace_back(key.node().text().get());
  }
  return keys;
}

std::optional<std::string> S3Client::get(const std::string& bucket, const std::string& key) const {
  S3Answer answer = send("GET", "/" + bucket + "/" + key);
  if (answer.status == 404) {
    return std::nullopt;
  }
  if (answer.status != 200) {
    throw std::runtime_error("GET of " + key + " is answered " + answer.body);
  }
  return std::move(answer.body);
}

void S3Client::put(const std::string& bucket, const std::string& key,
                   std::string_view content) const {
  expect("PUT", "/" + bucket + "/" + key, {}, content);
}

void S3Client::remove(const std::string& bucket, const std::string& key) const {
  expect("DELETE", "/" + bucket + "/" + key);
}

S3Keys S3Client::session_keys(std::chrono::seconds duration) const {
  const S3Answer answer =
      expect("POST", "/", {},
             "Action=AssumeRole&DurationSeconds=" + std::to_string(duration.count()) +
                 "&RoleArn=" + encoded("arn:aws:iam:::role/backup", false) +
                 "&RoleSessionName=test&Version=2011-06-15");
  return {.access_key = text_of(answer.body, "//AccessKeyId"),
          .secret_key = text_of(answer.body, "//SecretAccessKey"),
          .session_token = text_of(answer.body, "//SessionToken")};
}

bool S3Client::remove_some(const std::string& bucket) const {
  // Of a bucket without versions this lists the objects.
  const S3Answer page = send("GET", "/" + bucket, {{"versions", ""}, {"max-keys", "1000"}});
  if (page.status == 404) {
    return false;
  }
  const auto document = parsed(page.body);
  std::string request = "<Delete><Quiet>true</Quiet>";
  std::size_t count = 0;
  for (const auto& found : document.select_nodes("//Version | //DeleteMarker")) {
    const std::string version = found.node().child("VersionId").text().get();
    request += "<Object><Key>" + escaped(found.node().child("Key").text().get()) + "</Key>";
    if (!version.empty() && version != "null") {
      request += "<VersionId>" + version + "</VersionId>";
    }
    request += "</Object>";
    ++count;
  }
  if (count == 0) {
    return false;
  }
  request += "</Delete>";
  const S3Answer removed =
      expect("POST", "/" + bucket, {{"delete", ""}}, request,
             {{"Content-MD5", md5_base64(request)}, {"x-amz-bypass-governance-retention", "true"}});
  return parsed(removed.body).select_nodes("//Error").empty();
}

void S3Client::abort_uploads(const std::string& bucket) const {
  const S3Answer page = send("GET", "/" + bucket, {{"uploads", ""}});
  if (page.status != 200) {
    return;
  }
  const auto document = parsed(page.body);
  for (const auto& found : document.select_nodes("//Upload")) {
    send("DELETE", "/" + bucket + "/" + found.node().child("Key").text().get(),
         {{"uploadId", found.node().child("UploadId").text().get()}});
  }
}

}  // namespace keyrewind::test
