#include "codec/age_header.h"

#include "base/error.h"
#include "codec/age_primitives.h"
#include "codec/hmac_sha256.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <string_view>
#include <utility>

namespace keyrewind::codec {
namespace {

// c2sp.org/age, sections "Header" and "The X25519 recipient type".
constexpr std::string_view kVersionLine = "age-encryption.org/v1\n";
constexpr std::string_view kStanzaMark = "-> ";
constexpr std::string_view kCodeMark = "---";
constexpr std::string_view kX25519 = "X25519";
constexpr std::string_view kPassphrase = "scrypt";
constexpr std::string_view kX25519Info = "age-encryption.org/v1/X25519";
constexpr std::size_t kLineDigits = 64;
constexpr std::size_t kFileKeyBytes = 16;
constexpr std::size_t kWrappedBytes = kFileKeyBytes + ChaChaPoly::kTagBytes;
constexpr std::size_t kEphemeralBytes = 32;

Error corrupt(std::string_view why) {
  return {ErrorKind::corrupt, fmt::format("its age header {}", why)};
}

/// Base 64 without padding (RFC 4648 section 4).
std::string to_base64(ByteView bytes) {
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');
  const int length = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                                     reinterpret_cast<const unsigned char*>(bytes.data()),
                                     static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(length));
  text.resize(text.find_last_not_of('=') + 1);
  return text;
}

/// Nothing unless `text` is what `to_base64` would write.
std::optional<Bytes> from_base64(std::string_view text) {
  std::string padded(text);
  padded.resize((padded.size() + 3) / 4 * 4, '=');
  Bytes bytes(padded.size() / 4 * 3);
  const int length = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                                     reinterpret_cast<const unsigned char*>(padded.data()),
                                     static_cast<int>(padded.size()));
  if (length < 0) {
    return std::nullopt;
  }
  bytes.resize(text.size() * 3 / 4);
  if (to_base64(bytes) != text) {
    return std::nullopt;
  }
  return bytes;
}

/// The lines of a header one by one.
class Lines {
 public:
  explicit Lines(std::string_view text) : text_(text) {}

  /// The next line without its end; nothing if it isn't all there.
  std::optional<std::string_view> next() {
    const std::size_t end = text_.find('\n', at_);
    if (end == std::string_view::npos) {
      return std::nullopt;
    }
    const std::string_view line = text_.substr(at_, end - at_);
    at_ = end + 1;
    return line;
  }

  std::size_t at() const noexcept { return at_; }

 private:
  std::string_view text_;
  std::size_t at_ = 0;
};

std::vector<std::string> split_arguments(std::string_view text) {
  std::vector<std::string> arguments;
  while (true) {
    const std::size_t end = std::min(text.find(' '), text.size());
    const std::string_view argument = text.substr(0, end);
    if (argument.empty() ||
        std::ranges::any_of(argument, [](char c) { return c < '!' || c > '~'; })) {
      throw corrupt("has a stanza with an argument that is none");
    }
    arguments.emplace_back(argument);
    if (end == text.size()) {
      return arguments;
    }
    text.remove_prefix(end + 1);
  }
}

/// The body of a stanza, whose lines are full but for the last; nothing if it isn't all there.
std::optional<Bytes> read_body(Lines& lines) {
  std::string digits;
  while (const std::optional<std::string_view> line = lines.next()) {
    if (line->size() > kLineDigits) {
      throw corrupt("has a line that is too long");
    }
    digits += *line;
    if (line->size() == kLineDigits) {
      continue;
    }
    std::optional<Bytes> body = from_base64(digits);
    if (!body) {
      throw corrupt("has a stanza that is no canonical Base 64");
    }
    return body;
  }
  return std::nullopt;
}

Secret wrapping_key(const Secret& shared, const X25519Point& ephemeral,
                    const X25519Point& recipient) {
  Bytes salt(ephemeral.begin(), ephemeral.end());
  salt.insert(salt.end(), recipient.begin(), recipient.end());
  return hkdf_sha256(shared, salt, kX25519Info);
}

std::array<std::byte, 32> code_of(const Secret& file_key, std::string_view text) {
  const Secret key = hkdf_sha256(file_key, {}, "header");
  return hmac_sha256(as_bytes(key.reveal()), as_bytes(text));
}

/// Each wrapping key is used once, so its nonce may be anything.
constexpr ChaChaPoly::Nonce kNoNonce{};

std::string stanza_for(const AgeRecipient& recipient, const Secret& file_key) {
  const Secret ephemeral = random_secret(kEphemeralBytes);
  const X25519Point share = x25519_public_key(ephemeral);
  const std::optional<Secret> shared = x25519_shared_secret(ephemeral, recipient.key());
  if (!shared) {
    throw Error(ErrorKind::internal, "an age recipient is of low order");
  }
  Bytes wrapped(kWrappedBytes);
  ChaChaPoly(wrapping_key(*shared, share, recipient.key()))
      .seal(kNoNonce, as_bytes(file_key.reveal()), wrapped);
  return fmt::format("{}{} {}\n{}\n", kStanzaMark, kX25519, to_base64(share), to_base64(wrapped));
}

}  // namespace

std::optional<AgeHeader> AgeHeader::parse(ByteView beginning) {
  const std::string_view text =
      as_text(beginning.first(std::min(beginning.size(), kMaxAgeHeaderBytes)));
  const std::string_view version = text.substr(0, kVersionLine.size());
  if (!kVersionLine.starts_with(version)) {
    throw corrupt("is not that of version 1");
  }
  const auto unfinished = [&]() -> std::optional<AgeHeader> {
    if (text.size() == kMaxAgeHeaderBytes) {
      throw corrupt("has no end");
    }
    return std::nullopt;
  };
  AgeHeader header;
  Lines lines(text);
  if (!lines.next()) {
    return unfinished();
  }
  while (true) {
    const std::size_t begin = lines.at();
    const std::optional<std::string_view> line = lines.next();
    if (!line) {
      return unfinished();
    }
    if (line->starts_with(kCodeMark)) {
      const std::string_view rest = line->substr(kCodeMark.size());
      const std::optional<Bytes> code =
          rest.starts_with(' ') ? from_base64(rest.substr(1)) : std::nullopt;
      if (!code || code->size() != header.code_.size() || header.stanzas_.empty()) {
        throw corrupt("does not end as it should");
      }
      header.check_passphrase_is_alone();
      std::ranges::copy(*code, header.code_.begin());
      header.authenticated_ = text.substr(0, begin + kCodeMark.size());
      header.bytes_ = lines.at();
      return header;
    }
    if (!line->starts_with(kStanzaMark)) {
      throw corrupt("has a line that is no stanza's");
    }
    std::vector<std::string> arguments = split_arguments(line->substr(kStanzaMark.size()));
    std::optional<Bytes> body = read_body(lines);
    if (!body) {
      return unfinished();
    }
    header.stanzas_.push_back({std::move(arguments), *std::move(body)});
  }
}

void AgeHeader::check_passphrase_is_alone() const {
  // Who has only a passphrase may rely on it that nobody else could write the file.
  if (stanzas_.size() > 1 && std::ranges::any_of(stanzas_, [](const Stanza& stanza) {
        return stanza.arguments.front() == kPassphrase;
      })) {
    throw corrupt("has a passphrase beside other recipients");
  }
}

std::optional<Secret> AgeHeader::unlock(const std::vector<AgeIdentity>& identities) const {
  for (const AgeIdentity& identity : identities) {
    for (const Stanza& stanza : stanzas_) {
      std::optional<Secret> file_key = unwrap(stanza, identity);
      if (!file_key) {
        continue;
      }
      if (code_of(*file_key, authenticated_) != code_) {
        throw corrupt("is not as it was written");
      }
      return file_key;
    }
  }
  return std::nullopt;
}

std::optional<Secret> AgeHeader::unwrap(const Stanza& stanza, const AgeIdentity& identity) {
  if (stanza.arguments.front() != kX25519) {
    return std::nullopt;  // Another kind of recipient, or grease.
  }
  const std::optional<Bytes> share =
      stanza.arguments.size() == 2 ? from_base64(stanza.arguments[1]) : std::nullopt;
  X25519Point ephemeral{};
  if (!share || share->size() != ephemeral.size() || stanza.body.size() != kWrappedBytes) {
    throw corrupt("has a malformed X25519 stanza");
  }
  std::ranges::copy(*share, ephemeral.begin());
  const std::optional<Secret> shared = x25519_shared_secret(identity.key(), ephemeral);
  if (!shared) {
    throw corrupt("has an X25519 stanza of low order");
  }
  const Secret key = wrapping_key(*shared, ephemeral, x25519_public_key(identity.key()));
  std::string file_key(kFileKeyBytes, '\0');
  const bool is_ours =
      ChaChaPoly(key).open(kNoNonce, stanza.body, std::as_writable_bytes(std::span(file_key)));
  Secret secret(std::move(file_key));
  return is_ours ? std::optional(std::move(secret)) : std::nullopt;
}

std::string make_age_header(const Secret& file_key, const std::vector<AgeRecipient>& recipients) {
  std::string text(kVersionLine);
  for (const AgeRecipient& recipient : recipients) {
    text += stanza_for(recipient, file_key);
  }
  text += kCodeMark;
  const std::array<std::byte, 32> code = code_of(file_key, text);
  return text + " " + to_base64(code) + "\n";
}

}  // namespace keyrewind::codec
