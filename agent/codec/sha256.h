#pragma once

#include "base/bytes.h"

#include <memory>
#include <string>

struct evp_md_ctx_st;

namespace keyrewind::codec {

/// SHA-256 of bytes that arrive in pieces.
class Sha256 {
 public:
  static constexpr std::size_t kBytes = 32;

  Sha256();

  void feed(ByteView bytes);

  /// The digest of all that was fed, kBytes bytes; starts again from nothing.
  Bytes digest();

  /// The same as lower-case hexadecimal.
  std::string hex_digest();

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const noexcept;
  };

  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

/// The lower-case hexadecimal SHA-256 of `bytes`.
std::string sha256_hex(ByteView bytes);

}  // namespace keyrewind::codec
