#include "codec/age_primitives.h"

#include "base/error.h"
#include "codec/hmac_sha256.h"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <algorithm>
#include <string>
#include <utility>

namespace keyrewind::codec {
namespace {

struct FreeKey {
  void operator()(EVP_PKEY* key) const noexcept { EVP_PKEY_free(key); }
};
struct FreeKeyContext {
  void operator()(EVP_PKEY_CTX* context) const noexcept { EVP_PKEY_CTX_free(context); }
};
using Key = std::unique_ptr<EVP_PKEY, FreeKey>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, FreeKeyContext>;

constexpr std::size_t kKeyBytes = 32;

void check(bool done, std::string_view what) {
  if (!done) {
    throw Error(ErrorKind::internal, fmt::format("OpenSSL failed to {}", what));
  }
}

const unsigned char* raw(ByteView bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

unsigned char* writable(std::span<std::byte> bytes) {
  return reinterpret_cast<unsigned char*>(bytes.data());
}

Key x25519_key(const Secret& key) {
  const ByteView bytes = as_bytes(key.reveal());
  Key made(EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, nullptr, raw(bytes), bytes.size()));
  check(made != nullptr, "take an X25519 key");
  return made;
}

Secret to_secret(ByteView bytes) {
  return Secret(std::string(as_text(bytes)));
}

}  // namespace

X25519Point x25519_public_key(const Secret& key) {
  X25519Point point{};
  std::size_t length = point.size();
  check(EVP_PKEY_get_raw_public_key(x25519_key(key).get(), writable(point), &length) == 1,
        "compute an X25519 public key");
  return point;
}

std::optional<Secret> x25519_shared_secret(const Secret& key, const X25519Point& point) {
  const Key ours = x25519_key(key);
  const Key theirs(EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, nullptr, raw(point), point.size()));
  check(theirs != nullptr, "take an X25519 public key");
  const KeyContext context(EVP_PKEY_CTX_new(ours.get(), nullptr));
  check(context != nullptr && EVP_PKEY_derive_init(context.get()) == 1 &&
            EVP_PKEY_derive_set_peer(context.get(), theirs.get()) == 1,
        "begin an X25519 agreement");
  std::string shared(kKeyBytes, '\0');
  std::size_t length = shared.size();
  // OpenSSL refuses a result of zeros itself, as RFC 7748 section 6.1 allows.
  const bool made =
      EVP_PKEY_derive(context.get(), reinterpret_cast<unsigned char*>(shared.data()), &length) == 1;
  Secret secret(std::move(shared));
  if (!made || secret.reveal().find_first_not_of('\0') == std::string_view::npos) {
    return std::nullopt;
  }
  return secret;
}

Secret hkdf_sha256(const Secret& key, ByteView salt, std::string_view info) {
  // One block of output is all there is to expand: RFC 5869, sections 2.2 and 2.3.
  const Secret extracted = to_secret(hmac_sha256(salt, as_bytes(key.reveal())));
  const std::string message = std::string(info) + '\x01';
  return to_secret(hmac_sha256(as_bytes(extracted.reveal()), as_bytes(message)));
}

Secret random_secret(std::size_t count) {
  std::string bytes(count, '\0');
  fill_with_random(std::as_writable_bytes(std::span(bytes)));
  return Secret(std::move(bytes));
}

void fill_with_random(std::span<std::byte> bytes) {
  check(RAND_priv_bytes(writable(bytes), static_cast<int>(bytes.size())) == 1, "give random bytes");
}

void ChaChaPoly::Free::operator()(evp_cipher_ctx_st* context) const noexcept {
  EVP_CIPHER_CTX_free(context);
}

ChaChaPoly::ChaChaPoly(const Secret& key) : context_(EVP_CIPHER_CTX_new()) {
  const ByteView bytes = as_bytes(key.reveal());
  // The key is set up once: that costs more than a small message.
  check(context_ != nullptr && bytes.size() == kKeyBytes &&
            EVP_EncryptInit_ex(context_.get(), EVP_chacha20_poly1305(), nullptr, raw(bytes),
                               nullptr) == 1,
        "begin ChaCha20-Poly1305");
}

void ChaChaPoly::seal(const Nonce& nonce, ByteView plain, std::span<std::byte> sealed) {
  check(sealed.size() == plain.size() + kTagBytes, "encrypt into another size");
  EVP_CIPHER_CTX* context = context_.get();
  int length = 0;
  check(EVP_EncryptInit_ex(context, nullptr, nullptr, nullptr, raw(nonce)) == 1 &&
            EVP_EncryptUpdate(context, writable(sealed), &length, raw(plain),
                              static_cast<int>(plain.size())) == 1 &&
            EVP_EncryptFinal_ex(context, writable(sealed), &length) == 1 &&
            EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, kTagBytes,
                                writable(sealed.last(kTagBytes))) == 1,
        "encrypt");
}

bool ChaChaPoly::open(const Nonce& nonce, ByteView sealed, std::span<std::byte> plain) {
  if (sealed.size() != plain.size() + kTagBytes) {
    return false;
  }
  EVP_CIPHER_CTX* context = context_.get();
  std::array<std::byte, kTagBytes> tag{};
  std::ranges::copy(sealed.last(kTagBytes), tag.begin());
  int length = 0;
  check(EVP_DecryptInit_ex(context, nullptr, nullptr, nullptr, raw(nonce)) == 1 &&
            EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, kTagBytes, tag.data()) == 1 &&
            EVP_DecryptUpdate(context, writable(plain), &length, raw(sealed),
                              static_cast<int>(plain.size())) == 1,
        "decrypt");
  return EVP_DecryptFinal_ex(context, writable(plain), &length) == 1;
}

}  // namespace keyrewind::codec
