#pragma once

#include "base/bytes.h"
#include "base/secret.h"
#include "codec/age.h"

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace keyrewind::codec {

/// The most bytes of a header that are read: room for hundreds of recipients.
inline constexpr std::size_t kMaxAgeHeaderBytes = 64U << 10U;

/// The beginning of an age file: the file's own key, encrypted to each recipient.
///
///   age-encryption.org/v1
///   -> X25519 <ephemeral share>      one stanza a recipient; others may stand between them
///   <wrapped file key>
///   --- <HMAC of all before>
class AgeHeader {
 public:
  /// Reads the header that `beginning` begins with. Nothing if it isn't all there yet. Throws
  /// Error(corrupt) as soon as it can't become one, or grows beyond kMaxAgeHeaderBytes.
  static std::optional<AgeHeader> parse(ByteView beginning);

  /// How long it is; behind it stands the payload.
  std::size_t bytes() const noexcept { return bytes_; }

  /// The file key, if it was encrypted to any of these. Throws Error(corrupt) if the header is not
  /// as who encrypted it has written it.
  std::optional<Secret> unlock(const std::vector<AgeIdentity>& identities) const;

 private:
  struct Stanza {
    std::vector<std::string> arguments;  ///< At least one: the type.
    Bytes body;
  };

  AgeHeader() = default;
  void check_passphrase_is_alone() const;
  static std::optional<Secret> unwrap(const Stanza& stanza, const AgeIdentity& identity);

  std::vector<Stanza> stanzas_;
  std::string authenticated_;  ///< The text that the code is of.
  std::array<std::byte, 32> code_{};
  std::size_t bytes_ = 0;
};

/// A header that gives `file_key`, 16 bytes, to each of `recipients`, of which there is one.
std::string make_age_header(const Secret& file_key, const std::vector<AgeRecipient>& recipients);

}  // namespace keyrewind::codec
