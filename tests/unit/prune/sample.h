#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "catalog/catalog.h"
#include "catalog/log.h"
#include "catalog/manifest.h"
#include "catalog/names.h"
#include "catalog/repository.h"
#include "catalog/segment.h"
#include "codec/sha256.h"
#include "codec/zstd_frame.h"
#include "store/object_store.h"
#include "support/manual_clock.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// Repositories for the tests of retention, made without a server.
namespace keyrewind::test {

/// 2026-11-30T12:00:00Z.
inline Timestamp prune_time() {
  return Timestamp(std::chrono::milliseconds(1796040000000));
}

inline constexpr std::string_view kSnapshotContent = "frames and their index";

inline catalog::Digest digest_of(ByteView bytes) {
  codec::Sha256 hash;
  hash.feed(bytes);
  const Bytes digest = hash.digest();
  catalog::Digest result;
  std::copy(digest.begin(), digest.end(), result.begin());
  return result;
}

/// Writes the log of one lineage, segment by segment, each with a mark at its end.
class LineageWriter {
 public:
  LineageWriter(store::ObjectStore& store, std::string lineage, std::int64_t begin,
                std::uint64_t generation = 0)
      : store_(store),
        lineage_(std::move(lineage)),
        generation_(generation),
        end_(begin),
        chain_(catalog::chain_start(lineage_, begin)) {}

  std::int64_t end() const noexcept { return end_; }
  const std::string& lineage() const noexcept { return lineage_; }

  void write(std::int64_t bytes, Timestamp at) {
    const Bytes raw(static_cast<std::size_t>(bytes), std::byte{'x'});
    catalog::Segment segment;
    segment.source = "orders";
    segment.shard = "0";
    segment.lineage = lineage_;
    segment.begin = end_;
    segment.end = end_ + bytes;
    segment.database = 0;
    segment.commands = 1;
    segment.ids = {{end_, lineage_}};
    segment.previous = chain_;
    segment.links = {{segment.end, digest_of(raw)}};
    segment.marks = {{segment.end, at}};
    Bytes object;
    codec::FrameCompressor(1).compress(raw, object);
    segment.frames = {{static_cast<std::uint32_t>(object.size()),
                       static_cast<std::uint32_t>(raw.size()), digest_of(object)}};
    const Bytes index = catalog::encode_segment_index(segment);
    object.insert(object.end(), index.begin(), index.end());
    store_.put_if_absent(
        catalog::names::segment("orders", "0",
                                {.lineage = lineage_,
                                 .begin = segment.begin,
                                 .end = segment.end,
                                 .last = std::chrono::floor<std::chrono::seconds>(at),
                                 .level = 0,
                                 .generation = generation_}),
        object, {});
    end_ = segment.end;
    chain_ = catalog::chain_end(segment);
  }

 private:
  store::ObjectStore& store_;
  const std::string lineage_;
  const std::uint64_t generation_;
  std::int64_t end_;
  catalog::Digest chain_;
};

/// Takes a backup: a snapshot at `offset` of `lineage`, of the time that `clock` shows.
inline catalog::Commit take_backup(catalog::Catalog& catalog, const Clock& clock,
                                   const std::string& lineage, std::int64_t offset,
                                   const std::map<std::string, std::string>& labels = {}) {
  catalog::Writer writer(catalog, clock, {});
  catalog::Manifest manifest;
  manifest.id = writer.new_id();
  manifest.source = catalog.source();
  manifest.created = clock.now();
  manifest.finished = clock.now();
  manifest.program = "0.1.0";
  manifest.labels = labels;
  catalog::Snapshot snapshot;
  snapshot.shard = "0";
  snapshot.lineage = lineage;
  snapshot.replid = lineage;
  snapshot.offset = offset;
  snapshot.taken = clock.now();
  snapshot.object = {
      catalog::names::snapshot(catalog.source(), "0", lineage, offset, manifest.id, false),
      kSnapshotContent.size(), codec::sha256_hex(as_bytes(kSnapshotContent))};
  snapshot.index_offset = 11;
  snapshot.index_bytes = kSnapshotContent.size() - 11;
  snapshot.index_sha256 = codec::sha256_hex(as_bytes(kSnapshotContent.substr(11)));
  snapshot.raw_sha256 = codec::sha256_hex(as_bytes("the RDB"));
  snapshot.rdb.magic = "REDIS";
  snapshot.rdb.version = 11;
  snapshot.rdb.bytes = 100;
  manifest.snapshots = {snapshot};
  replica::ServerInfo server;
  server.product = "valkey";
  server.version = "8.1.1";
  manifest.servers = {{"0", server}};
  catalog.store().put_if_absent(snapshot.object.name, as_bytes(kSnapshotContent), {});
  return writer.commit(manifest, {});
}

/// The Error that `call` throws.
template <typename Call>
Error failure_of(const Call& call) {
  try {
    call();
  } catch (const Error& error) {
    return error;
  }
  return {ErrorKind::internal, "nothing was thrown"};
}

inline std::vector<std::string> names_in(const store::ObjectStore& store,
                                         const std::string& prefix = {}) {
  std::vector<std::string> names;
  for (const store::ObjectInfo& object : store.list(prefix, {})) {
    names.push_back(object.name);
  }
  return names;
}

}  // namespace keyrewind::test
