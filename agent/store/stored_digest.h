#pragma once

#include "base/bytes.h"
#include "codec/sha256.h"
#include "store/object_store.h"

#include <algorithm>

namespace keyrewind::store {

/// Gathers what Upload::complete returns while the bytes go by.
class StoredDigest {
 public:
  void feed(ByteView bytes) {
    sha256_.feed(bytes);
    stored_.bytes += bytes.size();
  }

  StoredBytes finish() {
    std::ranges::copy(sha256_.digest(), stored_.sha256.begin());
    return stored_;
  }

 private:
  codec::Sha256 sha256_;
  StoredBytes stored_;
};

}  // namespace keyrewind::store
