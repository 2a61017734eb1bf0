#include "codec/age_stream.h"

#include "base/error.h"
#include "codec/age_header.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

namespace keyrewind::codec {
namespace {

constexpr std::size_t kFileKeyBytes = 16;

/// Sealed before they are emitted: few enough for the processor's cache.
constexpr std::size_t kChunksAtOnce = 4;

/// Chunk number, big-endian, then whether it is the last (c2sp.org/age, section "Payload").
ChaChaPoly::Nonce nonce_of(AgeChunk chunk) {
  ChaChaPoly::Nonce nonce{};
  for (std::size_t i = 0; i < 8; ++i) {
    nonce[10 - i] = static_cast<std::byte>(chunk.number >> (8 * i));
  }
  nonce[11] = std::byte{chunk.last};
  return nonce;
}

std::array<std::byte, kAgeNonceBytes> random_nonce() {
  std::array<std::byte, kAgeNonceBytes> nonce{};
  fill_with_random(nonce);
  return nonce;
}

/// Header and nonce of a new file.
Bytes make_head(const Secret& file_key, ByteView nonce,
                const std::vector<AgeRecipient>& recipients) {
  const std::string header = make_age_header(file_key, recipients);
  const ByteView text = as_bytes(header);
  Bytes head(text.begin(), text.end());
  head.insert(head.end(), nonce.begin(), nonce.end());
  return head;
}

Error cut_short() {
  return {ErrorKind::corrupt, "it is cut short, or something was added to it"};
}

}  // namespace

Secret age_payload_key(const Secret& file_key, ByteView nonce) {
  return hkdf_sha256(file_key, nonce, "payload");
}

std::optional<AgeLayout> AgeLayout::of(std::uint64_t sealed_bytes) {
  constexpr std::uint64_t kTag = ChaChaPoly::kTagBytes;
  const std::uint64_t whole = sealed_bytes / kSealedChunkBytes;
  const std::uint64_t rest = sealed_bytes % kSealedChunkBytes;
  if (rest == 0 && whole != 0) {
    return AgeLayout{whole, whole * kAgeChunkBytes};
  }
  if (rest < kTag || (rest == kTag && whole != 0)) {
    return std::nullopt;
  }
  return AgeLayout{whole + 1, whole * kAgeChunkBytes + rest - kTag};
}

void AgeChunks::seal(AgeChunk chunk, ByteView plain, std::span<std::byte> sealed) {
  cipher_.seal(nonce_of(chunk), plain, sealed);
}

bool AgeChunks::open(AgeChunk chunk, ByteView sealed, std::span<std::byte> plain) {
  return cipher_.open(nonce_of(chunk), sealed, plain);
}

Bytes open_age_chunks(const Secret& payload_key, ByteView sealed) {
  const std::optional<AgeLayout> layout = AgeLayout::of(sealed.size());
  if (!layout) {
    throw cut_short();
  }
  AgeChunks chunks(payload_key);
  Bytes plain(layout->plain_bytes);
  std::span<std::byte> into = plain;
  for (std::uint64_t number = 0; number < layout->chunks; ++number) {
    const ByteView chunk = sealed.first(std::min(sealed.size(), kSealedChunkBytes));
    const std::size_t held = chunk.size() - ChaChaPoly::kTagBytes;
    const bool last = number + 1 == layout->chunks;
    if (!chunks.open({.number = number, .last = last}, chunk, into.first(held))) {
      throw Error(ErrorKind::corrupt,
                  fmt::format("chunk {} of {} is not authentic", number + 1, layout->chunks));
    }
    sealed = sealed.subspan(chunk.size());
    into = into.subspan(held);
  }
  return plain;
}

std::optional<Bytes> decrypt_age(ByteView file, const std::vector<AgeIdentity>& identities) {
  const std::optional<AgeHeader> header = AgeHeader::parse(file);
  if (!header) {
    throw cut_short();
  }
  const std::optional<Secret> file_key = header->unlock(identities);
  if (!file_key) {
    return std::nullopt;
  }
  const ByteView payload = file.subspan(header->bytes());
  if (payload.size() < kAgeNonceBytes) {
    throw cut_short();
  }
  return open_age_chunks(age_payload_key(*file_key, payload.first(kAgeNonceBytes)),
                         payload.subspan(kAgeNonceBytes));
}

AgeEncryptor::AgeEncryptor(const std::vector<AgeRecipient>& recipients)
    : AgeEncryptor(recipients, random_secret(kFileKeyBytes)) {}

AgeEncryptor::AgeEncryptor(const std::vector<AgeRecipient>& recipients, const Secret& file_key)
    : nonce_(random_nonce()),
      head_(make_head(file_key, nonce_, recipients)),
      payload_key_(age_payload_key(file_key, nonce_)),
      chunks_(payload_key_),
      sealed_(kChunksAtOnce * kSealedChunkBytes) {}

void AgeEncryptor::feed(ByteView plain, const Emit& emit) {
  // A full chunk is sealed only once there is more: the last one is sealed in another way.
  while (held_.size() + plain.size() > kAgeChunkBytes) {
    const std::size_t missing = kAgeChunkBytes - held_.size();
    if (held_.empty()) {
      seal(plain.first(missing), false);
    } else {
      hold(plain.first(missing));
      seal(held_, false);
      held_.clear();
    }
    plain = plain.subspan(missing);
    if (sealed_bytes_ == sealed_.size()) {
      emit_sealed(emit);
    }
  }
  hold(plain);
  emit_sealed(emit);
}

void AgeEncryptor::finish(const Emit& emit) {
  seal(held_, true);
  emit_sealed(emit);
}

void AgeEncryptor::hold(ByteView plain) {
  held_.insert(held_.end(), plain.begin(), plain.end());
}

void AgeEncryptor::seal(ByteView plain, bool last) {
  const std::size_t size = plain.size() + ChaChaPoly::kTagBytes;
  chunks_.seal({.number = next_, .last = last}, plain,
               std::span(sealed_).subspan(sealed_bytes_, size));
  sealed_bytes_ += size;
  ++next_;
}

void AgeEncryptor::emit_sealed(const Emit& emit) {
  if (sealed_bytes_ == 0) {
    return;
  }
  if (!head_emitted_) {
    emit(head_);
    head_emitted_ = true;
  }
  emit(ByteView(sealed_).first(sealed_bytes_));
  sealed_bytes_ = 0;
}

}  // namespace keyrewind::codec
