#include "codec/age.h"

#include "base/error.h"
#include "codec/age_primitives.h"
#include "codec/bech32.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace keyrewind::codec {
namespace {

constexpr std::string_view kRecipientPrefix = "age";
constexpr std::string_view kIdentityPrefix = "AGE-SECRET-KEY-";
constexpr std::size_t kKeyBytes = 32;

bool begins_like(std::string_view text, std::string_view beginning) {
  const auto to_upper = [](char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  };
  return text.size() >= beginning.size() &&
         std::ranges::equal(text.substr(0, beginning.size()), beginning, {}, to_upper, to_upper);
}

/// What a text is that is no recipient. It never goes into the message: it may be a secret that
/// was put into the wrong place.
std::string_view why_no_recipient(std::string_view text) {
  if (begins_like(text, "AGE-SECRET-KEY-") || begins_like(text, "AGE-PLUGIN-")) {
    return "this is a secret key; give its recipient, which begins with age1 and which "
           "'age-keygen -y' prints";
  }
  if (begins_like(text, "ssh-")) {
    return "keys of SSH can't be used; make a pair with 'age-keygen'";
  }
  const std::size_t separator = text.rfind('1');
  if (begins_like(text, "age1") && separator != std::string_view::npos && separator > 3) {
    return "recipients of plugins and of other kinds can't be used; make a pair with 'age-keygen'";
  }
  return "this is no age recipient, which begins with age1; check that all of it is there";
}

std::string_view why_no_identity(std::string_view text) {
  if (begins_like(text, "age1")) {
    return "this is a recipient; give the identity that belongs to it, which begins with "
           "AGE-SECRET-KEY-1";
  }
  if (begins_like(text, "AGE-PLUGIN-") || begins_like(text, "AGE-SECRET-KEY-PQ-")) {
    return "identities of plugins and of other kinds can't be used";
  }
  if (begins_like(text, "age-encryption.org/") || begins_like(text, "-----BEGIN AGE")) {
    return "this is encrypted itself; decrypt it with 'age -d' first";
  }
  return "this is no age identity, which begins with AGE-SECRET-KEY-1; check that all of it is "
         "there";
}

/// The 32 bytes of a Bech32 text with just this prefix.
std::optional<Bytes> decode_key(std::string_view text, std::string_view prefix) {
  std::optional<Bech32> decoded = decode_bech32(text);
  if (!decoded || decoded->prefix != prefix || decoded->data.size() != kKeyBytes) {
    return std::nullopt;
  }
  return std::move(decoded->data);
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r";
  const std::size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) {
    return {};
  }
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

}  // namespace

AgeRecipient::AgeRecipient(std::string_view text) : text_(text) {
  const std::optional<Bytes> key = decode_key(text, kRecipientPrefix);
  if (!key) {
    throw Error(ErrorKind::config, std::string(why_no_recipient(text)));
  }
  std::ranges::copy(*key, key_.begin());
  // Whatever the secret: of a point of low order nothing is shared that others don't know.
  if (!x25519_shared_secret(random_secret(kKeyBytes), key_)) {
    throw Error(ErrorKind::config,
                "this recipient keeps nothing secret; make a pair with "
                "'age-keygen'");
  }
}

AgeIdentity::AgeIdentity(std::string_view text) {
  const std::optional<Bytes> key = decode_key(text, kIdentityPrefix);
  if (!key) {
    throw Error(ErrorKind::config, std::string(why_no_identity(text)));
  }
  key_ = Secret(std::string(as_text(*key)));
}

AgeRecipient AgeIdentity::recipient() const {
  return AgeRecipient(encode_bech32(kRecipientPrefix, x25519_public_key(key_)));
}

std::vector<AgeIdentity> parse_age_identities(std::string_view text) {
  std::vector<AgeIdentity> identities;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = trim(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() || line.front() == '#') {
      continue;
    }
    try {
      identities.emplace_back(line);
    } catch (Error& error) {
      error.add_context(fmt::format("line {}", number));
      throw;
    }
  }
  if (identities.empty()) {
    throw Error(ErrorKind::config, "there is no age identity in it; 'age-keygen' makes one");
  }
  return identities;
}

}  // namespace keyrewind::codec
