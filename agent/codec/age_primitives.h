#pragma once

#include "base/bytes.h"
#include "base/secret.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

struct evp_cipher_ctx_st;

/// What the age format is made of, by OpenSSL.
namespace keyrewind::codec {

using X25519Point = std::array<std::byte, 32>;

/// The public key of a secret one of 32 bytes (RFC 7748).
X25519Point x25519_public_key(const Secret& key);

/// The secret that both sides share, 32 bytes; nothing if `point` is one of the few of low order,
/// with which everybody shares the same.
std::optional<Secret> x25519_shared_secret(const Secret& key, const X25519Point& point);

/// HKDF-SHA-256 (RFC 5869) to 32 bytes. `salt` may be empty.
Secret hkdf_sha256(const Secret& key, ByteView salt, std::string_view info);

/// `count` bytes that nobody can guess.
Secret random_secret(std::size_t count);
void fill_with_random(std::span<std::byte> bytes);

/// ChaCha20-Poly1305 (RFC 8439) without additional data, one message after another with one key.
class ChaChaPoly {
 public:
  using Nonce = std::array<std::byte, 12>;
  static constexpr std::size_t kTagBytes = 16;

  /// `key` has 32 bytes.
  explicit ChaChaPoly(const Secret& key);

  /// Encrypts `plain` to `sealed`, which is kTagBytes longer and may begin at the same place.
  void seal(const Nonce& nonce, ByteView plain, std::span<std::byte> sealed);

  /// Decrypts `sealed` to `plain`, kTagBytes shorter. Returns false if it is not authentic; what
  /// `plain` then holds must not be used.
  [[nodiscard]] bool open(const Nonce& nonce, ByteView sealed, std::span<std::byte> plain);

 private:
  struct Free {
    void operator()(evp_cipher_ctx_st* context) const noexcept;
  };

  std::unique_ptr<evp_cipher_ctx_st, Free> context_;
};

}  // namespace keyrewind::codec
