#pragma once

#include "base/bytes.h"
#include "base/clock.h"
#include "base/error.h"
#include "catalog/catalog.h"
#include "catalog/log.h"
#include "catalog/manifest.h"
#include "catalog/names.h"
#include "catalog/segment.h"
#include "codec/age.h"
#include "codec/sha256.h"
#include "codec/zstd_frame.h"
#include "store/encrypted_store.h"
#include "store/file_store.h"
#include "store/memory_store.h"
#include "store/object_store.h"
#include "support/temp_dir.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// Backups and places for the tests of the catalog, made without a server.
namespace keyrewind::test {

/// An empty store of either kind, and what it stands on.
struct Place {
  std::shared_ptr<void> ground;
  std::unique_ptr<store::ObjectStore> store;
};

/// How to make one.
struct PlaceFactory {
  std::string_view name;
  Place (*make)();

  friend std::ostream& operator<<(std::ostream& out, const PlaceFactory& factory) {
    return out << factory.name;
  }
};

inline Place make_memory() {
  return {nullptr, std::make_unique<store::MemoryStore>()};
}

inline Place make_folder() {
  auto folder = std::make_shared<TempDir>();
  auto store = std::make_unique<store::FileStore>(folder->path());
  return {std::move(folder), std::move(store)};
}

/// Written to by whoever has the public key; this one reads, too.
inline Place make_encrypted() {
  const codec::AgeIdentity identity(
      "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX");
  return {nullptr, std::make_unique<store::EncryptedStore>(
                       std::make_unique<store::MemoryStore>(),
                       std::vector<codec::AgeRecipient>{identity.recipient()},
                       std::vector<codec::AgeIdentity>{identity})};
}

/// 2026-11-20T13:02:21.123Z.
inline Timestamp sample_time() {
  return Timestamp(std::chrono::milliseconds(1795179741123));
}

inline constexpr std::string_view kSampleLineage = "75a4f1c0b3c94b0bd7ab1b34c2d3f6e88c5f2a10";
inline constexpr std::string_view kSampleReplid = "0c9b2f1de34a5b6c7d8e9f0a1b2c3d4e5f607182";
inline constexpr std::string_view kSampleSnapshot = "frames and their index";

/// A summary in which every field is set.
inline rdb::Summary sample_summary() {
  rdb::Summary summary;
  summary.magic = "REDIS";
  summary.version = 11;
  summary.bytes = 123456;
  summary.crc64 = 0x0123456789abcdef;
  summary.checksum = rdb::Checksum::valid;
  summary.databases[0] = {.keys = 6, .keys_with_ttl = 2, .by_type = {1, 1, 1, 1, 1, 1, 0}};
  summary.databases[15] = {.keys = 3, .keys_with_ttl = 0, .by_type = {2, 0, 0, 0, 0, 0, 1}};
  summary.aux = {{"redis-ver", "7.2.4"}, {"repl-stream-db", "0"}};
  summary.functions = {"counters"};
  summary.modules = {{"graphdata", 1}};
  summary.hashes_with_field_ttl = 1;
  summary.highest_type = 22;
  return summary;
}

inline replica::ServerInfo sample_server() {
  replica::ServerInfo server;
  server.product = "valkey";
  server.version = "8.1.1";
  server.role = "replica";
  server.mode = "standalone";
  server.modules = {{"graph", "20811"}};
  server.used_memory = 4'000'000'000;
  server.keys = 9;
  server.config = {{"appendonly", "yes"}, {"maxmemory", "8589934592"}};
  server.secrets_left_out = {"requirepass"};
  server.acl_users = {"user default on #(left out) ~* &* +@all"};
  server.acl_users_with_hashes = {
      Secret("user default on #" + std::string(64, 'd') + " ~* &* +@all")};
  server.missing = {"memory: this user may not run INFO (+info)"};
  return server;
}

/// A manifest in which every field is set, but for details. Its snapshot holds `kSampleSnapshot`.
inline catalog::Manifest sample_manifest(const std::string& source, const std::string& id,
                                         Timestamp created = sample_time(),
                                         bool encrypted = false) {
  catalog::Snapshot snapshot;
  snapshot.shard = "0";
  snapshot.lineage = kSampleLineage;
  snapshot.replid = kSampleReplid;
  snapshot.offset = 987654321;
  snapshot.taken = created + std::chrono::milliseconds(321);
  snapshot.object = {
      catalog::names::snapshot(source, "0", snapshot.lineage, snapshot.offset, id, encrypted),
      kSampleSnapshot.size(), codec::sha256_hex(as_bytes(kSampleSnapshot))};
  snapshot.index_offset = 11;
  snapshot.index_bytes = kSampleSnapshot.size() - 11;
  snapshot.index_sha256 = codec::sha256_hex(as_bytes(kSampleSnapshot.substr(11)));
  snapshot.raw_sha256 = codec::sha256_hex(as_bytes("the RDB"));
  snapshot.rdb = sample_summary();

  catalog::Manifest manifest;
  manifest.id = id;
  manifest.source = source;
  manifest.created = created;
  manifest.finished = created + std::chrono::milliseconds(4321);
  manifest.program = "0.1.0";
  manifest.labels = {{"before", "release 7"}, {"ticket", "OPS-1"}};
  manifest.snapshots = {snapshot};
  manifest.servers = {{"0", sample_server()}};
  manifest.warnings = {"the server's rdbchecksum is off"};
  return manifest;
}

/// What a run does: uploads a snapshot, then commits a manifest that names it.
inline catalog::Commit write_backup(catalog::Catalog& catalog, catalog::Writer& writer,
                                    const Clock& clock) {
  catalog::Manifest manifest =
      sample_manifest(catalog.source(), writer.new_id(), clock.now(), catalog.store().encrypts());
  catalog::StoredObject& object = manifest.snapshots.front().object;
  const auto upload = catalog.store().upload(object.name, {});
  upload->append(as_bytes(kSampleSnapshot));
  const store::StoredBytes stored = upload->complete();
  object.bytes = stored.bytes;
  object.sha256 = to_hex(stored.sha256);
  return writer.commit(manifest, {});
}

inline catalog::Digest digest_of(ByteView bytes) {
  codec::Sha256 hash;
  hash.feed(bytes);
  const Bytes digest = hash.digest();
  catalog::Digest result;
  std::copy(digest.begin(), digest.end(), result.begin());
  return result;
}

/// The object of `segment`, whose bytes are all 'x'. Fills in its frames.
inline Bytes segment_object(catalog::Segment& segment) {
  const Bytes raw(static_cast<std::size_t>(segment.end - segment.begin), std::byte{'x'});
  segment.frames.clear();
  Bytes object;
  for (std::size_t at = 0; at < raw.size(); at += catalog::kMaxSegmentFrameBytes) {
    const ByteView piece = ByteView(raw).subspan(
        at, std::min<std::size_t>(catalog::kMaxSegmentFrameBytes, raw.size() - at));
    Bytes frame;
    codec::FrameCompressor(1).compress(piece, frame);
    segment.frames.push_back({static_cast<std::uint32_t>(frame.size()),
                              static_cast<std::uint32_t>(piece.size()), digest_of(frame)});
    object.insert(object.end(), frame.begin(), frame.end());
  }
  const Bytes index = catalog::encode_segment_index(segment);
  object.insert(object.end(), index.begin(), index.end());
  return object;
}

/// A plain piece of a log, one link and one mark, which arrived at `at`.
inline catalog::Segment plain_segment(const std::string& source, std::int64_t begin,
                                      std::int64_t end, Timestamp at,
                                      const catalog::Digest& previous) {
  catalog::Segment segment;
  segment.source = source;
  segment.shard = "0";
  segment.lineage = kSampleLineage;
  segment.begin = begin;
  segment.end = end;
  segment.database = 0;
  segment.commands = 1;
  segment.ids = {{begin, std::string(kSampleReplid)}};
  segment.previous = previous;
  const Bytes raw(static_cast<std::size_t>(end - begin), std::byte{'x'});
  segment.links = {{end, digest_of(raw)}};
  segment.marks = {{end, at}};
  return segment;
}

/// A segment from 1000 to 5000 in which every field is set.
inline catalog::Segment sample_segment() {
  using std::chrono::milliseconds;
  catalog::Segment segment = plain_segment("orders", 1000, 5000, sample_time(), {});
  segment.database.reset();
  segment.commands = 77;
  segment.ids.push_back({3000, std::string(kSampleLineage)});
  segment.previous.fill(std::byte{0x5a});
  segment.links.insert(segment.links.begin(), {2500, {}});
  segment.marks = {{1000, sample_time() - milliseconds(5000)},
                   {2000, sample_time() - milliseconds(4000)},
                   {3500, sample_time() - milliseconds(60000)},
                   {5000, sample_time()}};
  segment.resumptions = {{2000, sample_time() - milliseconds(3500), "10.0.0.7:6379"}};
  segment.noted = {{"FLUSHALL", 3, 1200, 1230}, {"DEL of 25000 keys", std::nullopt, 1230, 4990}};
  segment.noted_left_out = 4;
  (void)segment_object(segment);
  return segment;
}

/// Writes the object of `segment`, and says where.
inline catalog::SegmentEntry put_segment(store::ObjectStore& store, catalog::Segment segment,
                                         std::uint64_t level = 0) {
  const Bytes object = segment_object(segment);
  const Timestamp last = std::chrono::floor<std::chrono::seconds>(segment.marks.back().at);
  const std::string name = catalog::names::segment(
      segment.source, segment.shard, {segment.lineage, segment.begin, segment.end, last, level});
  store.put_if_absent(name, object, {});
  return {name, object.size(), segment.begin, segment.end, last, level};
}

/// What a pass of merging makes of neighbours.
inline catalog::Segment merge(const std::vector<catalog::Segment>& parts) {
  catalog::Segment whole = parts.front();
  for (std::size_t i = 1; i < parts.size(); ++i) {
    const catalog::Segment& part = parts[i];
    whole.end = part.end;
    whole.links.insert(whole.links.end(), part.links.begin(), part.links.end());
    whole.marks.insert(whole.marks.end(), part.marks.begin(), part.marks.end());
    whole.resumptions.insert(whole.resumptions.end(), part.resumptions.begin(),
                             part.resumptions.end());
    whole.noted.insert(whole.noted.end(), part.noted.begin(), part.noted.end());
    for (const catalog::HistoryId& id : part.ids) {
      if (id.replid != whole.ids.back().replid) {
        whole.ids.push_back(id);
      }
    }
  }
  return whole;
}

/// The same of those from `first` to before `last`.
inline catalog::Segment merged(const std::vector<catalog::Segment>& segments, std::ptrdiff_t first,
                               std::ptrdiff_t last) {
  return merge({segments.begin() + first, segments.begin() + last});
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

/// Replaces an object, which no store lets a program do.
inline void overwrite(store::ObjectStore& store, const std::string& name,
                      std::string_view content) {
  store.remove(name, {});
  store.put_if_absent(name, as_bytes(content), {});
}

inline std::string text_of(const store::ObjectStore& store, const std::string& name) {
  const std::optional<Bytes> content = store.get(name, 1U << 20, {});
  return content ? std::string(as_text(*content)) : "(none)";
}

inline std::vector<std::string> names_in(const store::ObjectStore& store) {
  std::vector<std::string> names;
  for (const store::ObjectInfo& object : store.list("", {})) {
    names.push_back(object.name);
  }
  return names;
}

}  // namespace keyrewind::test
