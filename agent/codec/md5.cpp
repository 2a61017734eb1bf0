#include "codec/md5.h"

#include "base/error.h"

#include <openssl/evp.h>

namespace keyrewind::codec {

std::array<std::byte, 16> md5(ByteView bytes) {
  std::array<std::byte, 16> digest{};
  unsigned size = 0;
  if (EVP_Digest(bytes.data(), bytes.size(), reinterpret_cast<unsigned char*>(digest.data()), &size,
                 EVP_md5(), nullptr) != 1) {
    throw Error(ErrorKind::internal, "OpenSSL failed to compute MD5");
  }
  return digest;
}

}  // namespace keyrewind::codec
