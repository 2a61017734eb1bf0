#pragma once

#include "base/bytes.h"
#include "base/secret.h"
#include "codec/age.h"
#include "codec/age_primitives.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

/// What follows the header of an age file: a nonce of 16 bytes, then chunks that are encrypted each
/// for itself, so that reading can begin with any of them.
namespace keyrewind::codec {

inline constexpr std::size_t kAgeNonceBytes = 16;
inline constexpr std::size_t kAgeChunkBytes = 64U << 10U;  ///< That a chunk holds, but the last.
inline constexpr std::size_t kSealedChunkBytes = kAgeChunkBytes + ChaChaPoly::kTagBytes;

/// The key of the chunks, 32 bytes.
Secret age_payload_key(const Secret& file_key, ByteView nonce);

/// How `sealed_bytes` of chunks divide up. Only the last one may be short, and it is empty only if
/// there is no other.
struct AgeLayout {
  std::uint64_t chunks = 0;
  std::uint64_t plain_bytes = 0;

  /// Nothing if no payload has that length.
  static std::optional<AgeLayout> of(std::uint64_t sealed_bytes);
};

/// Which chunk of a file it is: a sealed one opens as no other.
struct AgeChunk {
  std::uint64_t number = 0;  ///< From 0 on.
  bool last = false;
};

/// Seals and opens the chunks of one file.
class AgeChunks {
 public:
  explicit AgeChunks(const Secret& payload_key) : cipher_(payload_key) {}

  /// Encrypts `plain` to `sealed`, which is longer by a tag.
  void seal(AgeChunk chunk, ByteView plain, std::span<std::byte> sealed);

  /// Decrypts `sealed` to `plain`, which is shorter by a tag. Returns false if it is not authentic;
  /// what `plain` then holds must not be used.
  [[nodiscard]] bool open(AgeChunk chunk, ByteView sealed, std::span<std::byte> plain);

 private:
  ChaChaPoly cipher_;
};

/// Decrypts all chunks. Throws Error(corrupt) if one is not authentic, or missing.
Bytes open_age_chunks(const Secret& payload_key, ByteView sealed);

/// Decrypts a whole file; nothing if it was encrypted to none of these. Throws Error(corrupt) if it
/// is not just as it was written.
std::optional<Bytes> decrypt_age(ByteView file, const std::vector<AgeIdentity>& identities);

/// Encrypts what arrives in pieces.
class AgeEncryptor {
 public:
  /// Takes encrypted bytes, some hundred KiB at most; they are valid during the call.
  using Emit = std::function<void(ByteView)>;

  /// There is at least one recipient.
  explicit AgeEncryptor(const std::vector<AgeRecipient>& recipients);

  /// Encrypts `plain`, emitting what is complete. Of the end up to a chunk is held back.
  void feed(ByteView plain, const Emit& emit);

  /// Emits the rest. Nothing may be fed afterwards.
  void finish(const Emit& emit);

  /// What reads the file from its first chunk on.
  const Secret& payload_key() const noexcept { return payload_key_; }
  std::uint64_t payload_offset() const noexcept { return head_.size(); }
  std::array<std::byte, kAgeNonceBytes> nonce() const noexcept { return nonce_; }

 private:
  AgeEncryptor(const std::vector<AgeRecipient>& recipients, const Secret& file_key);

  void hold(ByteView plain);
  void seal(ByteView plain, bool last);
  void emit_sealed(const Emit& emit);

  std::array<std::byte, kAgeNonceBytes> nonce_{};
  Bytes head_;  ///< Header and nonce.
  Secret payload_key_;
  AgeChunks chunks_;
  std::uint64_t next_ = 0;
  Bytes held_;    ///< Plain bytes of the next chunk.
  Bytes sealed_;  ///< Room for what is emitted at once.
  std::size_t sealed_bytes_ = 0;
  bool head_emitted_ = false;
};

}  // namespace keyrewind::codec
