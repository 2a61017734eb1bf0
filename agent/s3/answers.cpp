#include "s3/answers.h"

#include "base/error.h"
#include "s3/variables.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <pugixml.hpp>

#include <algorithm>
#include <cstring>
#include <string_view>

namespace keyrewind::s3 {
namespace {

Error malformed(const std::string& who, std::string_view what) {
  return {Side::repository, ErrorKind::protocol, fmt::format("{}: the answer {}", who, what)};
}

/// `text` if it has the form of an error code. Anything else may be a token.
std::string as_code(std::string_view text) {
  constexpr std::size_t kLongest = 48;
  const bool is_code = text.size() <= kLongest && std::all_of(text.begin(), text.end(), [](char c) {
                         return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '.';
                       });
  return is_code ? std::string(text) : std::string();
}

/// AWS writes "Z", others "+00:00".
std::optional<Timestamp> read_time(std::string text) {
  constexpr std::string_view kZero = "+00:00";
  if (text.ends_with(kZero)) {
    text.replace(text.size() - kZero.size(), kZero.size(), "Z");
  }
  return from_rfc3339(text);
}

struct Raw {
  std::string access_key_id;
  std::string secret_access_key;
  std::string session_token;
  std::string expiration;
};

Credentials checked(const Raw& raw, const std::string& who) {
  Credentials credentials;
  credentials.access_key_id = raw.access_key_id;
  credentials.secret_access_key = Secret(raw.secret_access_key);
  credentials.session_token = Secret(raw.session_token);
  credentials.provider = who;
  if (!is_one_word(raw.access_key_id) || !is_one_word(raw.secret_access_key)) {
    throw malformed(who, "has no access key or no secret key");
  }
  if (!raw.session_token.empty() && !is_one_word(raw.session_token)) {
    throw malformed(who, "has a session token that is none");
  }
  if (!raw.expiration.empty()) {
    credentials.expires = read_time(raw.expiration);
    if (!credentials.expires) {
      throw malformed(who, "does not say when the credentials end");
    }
  }
  return credentials;
}

std::string text_of(const nlohmann::json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

pugi::xml_document parse_xml(ByteView body) {
  pugi::xml_document document;
  if (!document.load_buffer(body.data(), body.size())) {
    document.reset();
  }
  return document;
}

/// The first element of that name, whatever the namespace prefix and the depth.
pugi::xml_node find_element(const pugi::xml_document& document, std::string_view name) {
  return document.find_node([&](const pugi::xml_node& node) {
    const std::string_view full = node.name();
    return full.substr(full.rfind(':') + 1) == name;
  });
}

}  // namespace

Credentials read_metadata_answer(ByteView body, const std::string& who) {
  const auto json = nlohmann::json::parse(as_text(body), nullptr, false);
  if (!json.is_object()) {
    throw malformed(who, "is no JSON object");
  }
  const std::string code = text_of(json, "Code");
  if (!code.empty() && code != "Success") {
    const std::string known = as_code(code);
    throw Error(Side::repository, ErrorKind::denied,
                fmt::format("{}: it gives no credentials ({}); check the role that is attached",
                            who, known.empty() ? "an error without a code" : known));
  }
  return checked({.access_key_id = text_of(json, "AccessKeyId"),
                  .secret_access_key = text_of(json, "SecretAccessKey"),
                  .session_token = text_of(json, "Token"),
                  .expiration = text_of(json, "Expiration")},
                 who);
}

Credentials read_sts_answer(ByteView body, const std::string& who) {
  const pugi::xml_document document = parse_xml(body);
  const pugi::xml_node node = find_element(document, "Credentials");
  if (!node) {
    throw malformed(who, "has no credentials");
  }
  return checked({.access_key_id = node.child_value("AccessKeyId"),
                  .secret_access_key = node.child_value("SecretAccessKey"),
                  .session_token = node.child_value("SessionToken"),
                  .expiration = node.child_value("Expiration")},
                 who);
}

std::string sts_error_code(ByteView body) {
  return as_code(trimmed(find_element(parse_xml(body), "Code").child_value()));
}

}  // namespace keyrewind::s3
