#pragma once

#include "base/bytes.h"
#include "base/secret.h"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

/// The age file format, version 1 (C2SP, "age-encryption.org/v1") with X25519 recipients.
namespace keyrewind::codec {

/// A public key, to which anybody can encrypt: "age1…".
class AgeRecipient {
 public:
  /// Throws Error(config) that says what is wrong; a secret key in its place is never repeated.
  explicit AgeRecipient(std::string_view text);

  const std::string& text() const noexcept { return text_; }
  const std::array<std::byte, 32>& key() const noexcept { return key_; }

 private:
  std::string text_;
  std::array<std::byte, 32> key_{};
};

/// A secret key, which decrypts what was encrypted to its recipient: "AGE-SECRET-KEY-1…".
class AgeIdentity {
 public:
  /// Throws Error(config) without repeating the text.
  explicit AgeIdentity(std::string_view text);

  AgeRecipient recipient() const;
  const Secret& key() const noexcept { return key_; }  ///< 32 bytes.

 private:
  Secret key_;
};

/// The identities in the text of a file as age-keygen writes it: one a line, '#' begins a comment.
/// Throws Error(config) that names the line if one is none, and if there is not any.
std::vector<AgeIdentity> parse_age_identities(std::string_view text);

}  // namespace keyrewind::codec
