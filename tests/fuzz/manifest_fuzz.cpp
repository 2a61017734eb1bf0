// Manifests, commits and frame indexes: whatever a repository holds, reading it ends in a value or
// in Error(corrupt | incompatible). What was read can be written, and is then read as the same.
// The first byte of an input says which of the three the rest is.

#include "base/bytes.h"
#include "base/error.h"
#include "catalog/manifest.h"
#include "codec/frame_index.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>

namespace {

using keyrewind::as_bytes;
using keyrewind::ByteView;
using keyrewind::ErrorKind;

void require(bool holds) {
  if (!holds) {
    std::abort();
  }
}

void try_manifest(ByteView json) {
  const std::string once = encode(keyrewind::catalog::decode_manifest(json));
  require(encode(keyrewind::catalog::decode_manifest(as_bytes(once))) == once);
}

void try_commit(ByteView json) {
  const keyrewind::catalog::Commit commit = keyrewind::catalog::decode_commit(json);
  require(keyrewind::catalog::decode_commit(as_bytes(encode(commit))) == commit);
}

void try_frame_index(ByteView bytes) {
  const keyrewind::Bytes again =
      keyrewind::codec::encode_frame_index(keyrewind::codec::decode_frame_index(bytes));
  require(std::equal(again.begin(), again.end(), bytes.begin(), bytes.end()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  const ByteView input = std::as_bytes(std::span(data, size)).subspan(1);
  try {
    switch (data[0] % 3) {
      case 0:
        try_manifest(input);
        break;
      case 1:
        try_commit(input);
        break;
      default:
        try_frame_index(input);
        break;
    }
  } catch (const keyrewind::Error& error) {
    require(error.kind() == ErrorKind::corrupt || error.kind() == ErrorKind::incompatible);
  }
  return 0;
}
