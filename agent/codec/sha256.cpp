#include "codec/sha256.h"

#include "base/error.h"

#include <openssl/evp.h>

namespace keyrewind::codec {
namespace {

void check(int result) {
  if (result != 1) {
    throw Error(ErrorKind::internal, "OpenSSL failed to compute SHA-256");
  }
}

}  // namespace

void Sha256::Free::operator()(evp_md_ctx_st* context) const noexcept {
  EVP_MD_CTX_free(context);
}

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  if (!context_) {
    throw Error(ErrorKind::internal, "OpenSSL gave no context for SHA-256");
  }
  check(EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr));
}

void Sha256::feed(ByteView bytes) {
  check(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()));
}

Bytes Sha256::digest() {
  Bytes digest(kBytes);
  check(
      EVP_DigestFinal_ex(context_.get(), reinterpret_cast<unsigned char*>(digest.data()), nullptr));
  check(EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr));
  return digest;
}

std::string Sha256::hex_digest() {
  return to_hex(digest());
}

std::string sha256_hex(ByteView bytes) {
  Sha256 hash;
  hash.feed(bytes);
  return hash.hex_digest();
}

}  // namespace keyrewind::codec
