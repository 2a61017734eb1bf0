#pragma once

#include "base/bytes.h"
#include "catalog/manifest.h"
#include "codec/frame_index.h"
#include "codec/sha256.h"
#include "codec/zstd_frame.h"
#include "rdb/crc64.h"
#include "rdb/scanner.h"
#include "store/object_store.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace keyrewind::restore::test {

/// An RDB of about `bytes` bytes: string keys with values of 1,000 random bytes.
inline std::string make_rdb(std::size_t bytes, unsigned seed = 7) {
  std::mt19937_64 random(seed);
  std::string rdb = "REDIS0011";
  rdb += std::string("\xfe\x00", 2);
  for (int key = 0; rdb.size() < bytes; ++key) {
    const std::string name = "key" + std::to_string(key);
    rdb += '\0';
    rdb += static_cast<char>(name.size());
    rdb += name;
    rdb += std::string("\x43\xe8", 2);  // 1,000 as a 14-bit length
    for (int i = 0; i < 125; ++i) {
      const std::uint64_t word = random();
      rdb.append(reinterpret_cast<const char*>(&word), sizeof word);
    }
  }
  rdb += '\xff';
  const std::uint64_t crc = rdb::crc64(as_bytes(rdb));
  rdb.append(reinterpret_cast<const char*>(&crc), sizeof crc);
  return rdb;
}

/// A snapshot in a store, with frames so small that a short one has several.
struct StoredSnapshot {
  std::string rdb;
  catalog::Snapshot snapshot;
  std::vector<codec::Frame> frames;
};

/// Stores `rdb` as the object `name`; what an encrypting store would add behind it has `more`
/// bytes.
inline StoredSnapshot store_snapshot(store::ObjectStore& store, const std::string& name,
                                     const std::string& rdb, std::size_t frame_bytes = 3000,
                                     std::size_t more = 0) {
  StoredSnapshot stored{rdb, {}, {}};
  Bytes object;
  codec::FrameCompressor compressor(1);
  for (ByteView rest = as_bytes(rdb); !rest.empty();) {
    const ByteView piece = rest.first(std::min(rest.size(), frame_bytes));
    rest = rest.subspan(piece.size());
    Bytes bytes;
    compressor.compress(piece, bytes);
    codec::Frame frame{
        static_cast<std::uint32_t>(bytes.size()), static_cast<std::uint32_t>(piece.size()), {}};
    codec::Sha256 sha256;
    sha256.feed(bytes);
    std::ranges::copy(sha256.digest(), frame.sha256.begin());
    stored.frames.push_back(frame);
    object.insert(object.end(), bytes.begin(), bytes.end());
  }
  const Bytes index = codec::encode_frame_index(stored.frames);
  catalog::Snapshot& snapshot = stored.snapshot;
  snapshot.shard = "0";
  snapshot.lineage = std::string(40, 'a');
  snapshot.replid = std::string(40, 'b');
  snapshot.offset = 1000;
  snapshot.index_offset = object.size();
  snapshot.index_bytes = index.size();
  snapshot.index_sha256 = codec::sha256_hex(index);
  snapshot.raw_sha256 = codec::sha256_hex(as_bytes(rdb));
  object.insert(object.end(), index.begin(), index.end());
  object.resize(object.size() + more);
  rdb::Scanner scanner;
  scanner.feed(as_bytes(rdb));
  snapshot.rdb = scanner.finish();
  const auto upload = store.upload(name, {});
  upload->append(object);
  const store::StoredBytes bytes = upload->complete();
  snapshot.object = {name, bytes.bytes, to_hex(bytes.sha256)};
  return stored;
}

}  // namespace keyrewind::restore::test
