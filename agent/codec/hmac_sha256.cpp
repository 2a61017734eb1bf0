#include "codec/hmac_sha256.h"

#include "base/error.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

namespace keyrewind::codec {

std::array<std::byte, 32> hmac_sha256(ByteView key, ByteView message) {
  std::array<std::byte, 32> code{};
  unsigned int length = code.size();
  const auto* made = HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
                          reinterpret_cast<const unsigned char*>(message.data()), message.size(),
                          reinterpret_cast<unsigned char*>(code.data()), &length);
  if (made == nullptr || length != code.size()) {
    throw Error(ErrorKind::internal, "OpenSSL failed to compute HMAC-SHA-256");
  }
  return code;
}

}  // namespace keyrewind::codec
