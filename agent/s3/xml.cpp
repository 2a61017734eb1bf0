#include "s3/xml.h"

#include "base/error.h"

#include <pugixml.hpp>

#include <algorithm>
#include <charconv>
#include <sstream>
#include <string_view>

namespace keyrewind::s3 {
namespace {

constexpr std::size_t kLongestMessage = 200;

Error unexpected(std::string_view what) {
  return {
      Side::repository, ErrorKind::protocol,
      "the store's answer is no " + std::string(what) + "; is this the endpoint of an S3 store?"};
}

/// The root element, which must have that name.
pugi::xml_node parse(pugi::xml_document& document, ByteView body, const char* root) {
  const auto result = document.load_buffer(body.data(), body.size());
  const pugi::xml_node node = document.child(root);
  if (!result || !node) {
    throw unexpected(root);
  }
  return node;
}

std::string text(const pugi::xml_node& node, const char* name) {
  return node.child(name).text().get();
}

std::uint64_t number(const pugi::xml_node& node, const char* name) {
  const std::string digits = text(node, name);
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc{} || end != digits.data() + digits.size()) {
    throw unexpected(name);
  }
  return value;
}

bool is_true(const pugi::xml_node& node, const char* name) {
  return text(node, name) == "true";
}

std::optional<unsigned> hex_digit(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  const char lower = static_cast<char>(c | 0x20);
  if (lower >= 'a' && lower <= 'f') {
    return lower - 'a' + 10;
  }
  return std::nullopt;
}

/// What encoding-type=url encodes: AWS writes blanks as '+'.
std::string url_decoded(std::string_view encoded) {
  std::string decoded;
  decoded.reserve(encoded.size());
  for (std::size_t i = 0; i < encoded.size(); ++i) {
    if (encoded[i] == '%' && i + 2 < encoded.size()) {
      const auto high = hex_digit(encoded[i + 1]);
      const auto low = hex_digit(encoded[i + 2]);
      if (high && low) {
        decoded.push_back(static_cast<char>(*high * 16 + *low));
        i += 2;
        continue;
      }
    }
    decoded.push_back(encoded[i] == '+' ? ' ' : encoded[i]);
  }
  return decoded;
}

/// Keys of a page whose store did as it was asked and encoded them.
class Decoder {
 public:
  explicit Decoder(const pugi::xml_node& page) : encoded_(text(page, "EncodingType") == "url") {}

  std::string operator()(const std::string& key) const { return encoded_ ? url_decoded(key) : key; }

 private:
  const bool encoded_;
};

std::string one_line(std::string message) {
  std::replace_if(
      message.begin(), message.end(), [](char c) { return c < ' ' || c > '~'; }, ' ');
  if (message.size() > kLongestMessage) {
    message.resize(kLongestMessage);
  }
  return message;
}

pugi::xml_node begin(pugi::xml_document& document, const char* root) {
  pugi::xml_node node = document.append_child(root);
  node.append_attribute("xmlns").set_value("http://s3.amazonaws.com/doc/2006-03-01/");
  return node;
}

std::string to_text(const pugi::xml_document& document) {
  std::ostringstream out;
  document.save(out, "", pugi::format_raw | pugi::format_no_declaration);
  return out.str();
}

}  // namespace

std::optional<ErrorDocument> read_error(ByteView body) {
  pugi::xml_document document;
  if (!document.load_buffer(body.data(), body.size())) {
    return std::nullopt;
  }
  const pugi::xml_node error = document.child("Error");
  if (!error) {
    return std::nullopt;
  }
  return ErrorDocument{one_line(text(error, "Code")), one_line(text(error, "Message")),
                       one_line(text(error, "Region"))};
}

ListPage read_list_page(ByteView body) {
  pugi::xml_document document;
  const pugi::xml_node root = parse(document, body, "ListBucketResult");
  const Decoder decoded(root);
  ListPage page;
  for (const pugi::xml_node& object : root.children("Contents")) {
    page.objects.push_back({decoded(text(object, "Key")), number(object, "Size")});
  }
  for (const pugi::xml_node& folder : root.children("CommonPrefixes")) {
    page.folders.push_back(decoded(text(folder, "Prefix")));
  }
  if (is_true(root, "IsTruncated")) {
    page.next = text(root, "NextContinuationToken");
    if (page.next.empty()) {
      throw unexpected("ListBucketResult with a token for what follows");
    }
  }
  return page;
}

UploadsPage read_uploads_page(ByteView body) {
  pugi::xml_document document;
  const pugi::xml_node root = parse(document, body, "ListMultipartUploadsResult");
  const Decoder decoded(root);
  UploadsPage page;
  for (const pugi::xml_node& upload : root.children("Upload")) {
    page.uploads.push_back({decoded(text(upload, "Key")), text(upload, "UploadId")});
  }
  page.truncated = is_true(root, "IsTruncated");
  page.next_key = decoded(text(root, "NextKeyMarker"));
  page.next_id = text(root, "NextUploadIdMarker");
  return page;
}

std::string read_upload_id(ByteView body) {
  pugi::xml_document document;
  std::string id = text(parse(document, body, "InitiateMultipartUploadResult"), "UploadId");
  if (id.empty()) {
    throw unexpected("InitiateMultipartUploadResult with an UploadId");
  }
  return id;
}

std::string read_copied_etag(ByteView body) {
  pugi::xml_document document;
  std::string etag = text(parse(document, body, "CopyPartResult"), "ETag");
  if (etag.empty()) {
    throw unexpected("CopyPartResult with an ETag");
  }
  return etag;
}

std::vector<FailedDelete> read_delete_result(ByteView body) {
  pugi::xml_document document;
  std::vector<FailedDelete> failed;
  for (const pugi::xml_node& error : parse(document, body, "DeleteResult").children("Error")) {
    failed.push_back({text(error, "Key"), one_line(text(error, "Code"))});
  }
  return failed;
}

std::string write_delete(const std::vector<std::string>& keys) {
  pugi::xml_document document;
  pugi::xml_node root = begin(document, "Delete");
  root.append_child("Quiet").text().set("true");
  for (const std::string& key : keys) {
    root.append_child("Object").append_child("Key").text().set(key.c_str());
  }
  return to_text(document);
}

std::string write_retention(const std::string& mode, const std::string& until) {
  pugi::xml_document document;
  pugi::xml_node root = begin(document, "Retention");
  root.append_child("Mode").text().set(mode.c_str());
  root.append_child("RetainUntilDate").text().set(until.c_str());
  return to_text(document);
}

std::string write_complete(const std::vector<SentPart>& parts) {
  pugi::xml_document document;
  pugi::xml_node root = begin(document, "CompleteMultipartUpload");
  for (std::size_t i = 0; i < parts.size(); ++i) {
    pugi::xml_node part = root.append_child("Part");
    part.append_child("PartNumber").text().set(static_cast<unsigned long long>(i + 1));
    part.append_child("ETag").text().set(parts[i].etag.c_str());
    if (!parts[i].checksum.empty()) {
      part.append_child("ChecksumSHA256").text().set(parts[i].checksum.c_str());
    }
  }
  return to_text(document);
}

}  // namespace keyrewind::s3
