// Manifests, commits, details and frame indexes: whatever a repository holds, reading it ends in a
// value or in Error(corrupt | incompatible). What was read can be written, and is then read as the
// same. The first byte of an input says which of the four the rest is.

#include "base/bytes.h"
#include "base/error.h"
#include "catalog/details.h"
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

/// As the details of a backup that has one snapshot and one server.
void try_details(ByteView json) {
  keyrewind::catalog::Manifest manifest;
  manifest.id = "id";
  manifest.source = "orders";
  manifest.snapshots.emplace_back().shard = "0";
  manifest.servers.try_emplace("0");
  merge_details(manifest, json);
  const std::string once = encode_details(manifest);
  merge_details(manifest, as_bytes(once));
  require(encode_details(manifest) == once);
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
    switch (data[0] % 4) {
      case 0:
        try_manifest(input);
        break;
      case 1:
        try_commit(input);
        break;
      case 2:
        try_frame_index(input);
        break;
      default:
        try_details(input);
        break;
    }
  } catch (const keyrewind::Error& error) {
    require(error.kind() == ErrorKind::corrupt || error.kind() == ErrorKind::incompatible);
  }
  return 0;
}
