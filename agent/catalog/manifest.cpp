#include "catalog/manifest.h"

#include "base/error.h"
#include "catalog/json_object.h"
#include "catalog/manifest_json.h"
#include "catalog/names.h"
#include "store/object_store.h"

#include <fmt/format.h>

#include <charconv>
#include <limits>
#include <numeric>
#include <optional>
#include <string_view>

namespace keyrewind::catalog {
namespace {

using nlohmann::ordered_json;

// Written to every repository: FORMAT.md.
constexpr std::string_view kManifestKind = "keyrewind-manifest";
constexpr std::string_view kCommitKind = "keyrewind-commit";
constexpr std::size_t kSha256Digits = 64;
constexpr std::size_t kReplidDigits = 40;
constexpr std::string_view kAge = "age";

ordered_json to_json(const rdb::DatabaseCounts& database) {
  ordered_json types = ordered_json::object();
  for (std::size_t i = 0; i < database.by_type.size(); ++i) {
    if (database.by_type[i] != 0) {
      types[std::string(to_string(static_cast<rdb::ValueType>(i)))] = database.by_type[i];
    }
  }
  return {{"keys", database.keys}, {"keys_with_ttl", database.keys_with_ttl}, {"types", types}};
}

void add_origin(ordered_json& document, const Origin& origin) {
  document["trigger"] =
      origin.trigger ? ordered_json(to_string(*origin.trigger)) : ordered_json(nullptr);
  document["schedule"] =
      origin.schedule.empty() ? ordered_json(nullptr) : ordered_json(origin.schedule);
}

std::string_view to_string(rdb::Checksum checksum) {
  return checksum == rdb::Checksum::valid ? "valid" : "absent";
}

/// Of an encrypted snapshot without what names its content.
ordered_json to_json(const rdb::Summary& summary, bool encrypted) {
  ordered_json databases = ordered_json::object();
  for (const auto& [number, counts] : summary.databases) {
    databases[std::to_string(number)] = to_json(counts);
  }
  ordered_json document = {{"magic", summary.magic},
                           {"version", summary.version},
                           {"checksum", to_string(summary.checksum)},
                           {"opaque_reason", summary.opaque() ? ordered_json(summary.opaque_reason)
                                                              : ordered_json(nullptr)},
                           {"databases", databases},
                           {"hashes_with_field_ttl", summary.hashes_with_field_ttl},
                           {"highest_type", summary.highest_type}};
  if (!encrypted) {
    document["functions"] = summary.functions;
  }
  document["modules"] = summary.modules;
  if (!encrypted) {
    document["aux"] = summary.aux;
  }
  return document;
}

/// Of an encrypted one without digests of its content: they would confirm a guess of it.
ordered_json to_json(const Snapshot& snapshot) {
  const bool encrypted = snapshot.object.encrypted();
  ordered_json index = {{"offset", snapshot.index_offset}, {"bytes", snapshot.index_bytes}};
  ordered_json raw = {{"bytes", snapshot.rdb.bytes}};
  if (!encrypted) {
    index["sha256"] = snapshot.index_sha256;
    raw["sha256"] = snapshot.raw_sha256;
    raw["crc64"] = fmt::format("{:016x}", snapshot.rdb.crc64);
  }
  return {{"shard", snapshot.shard},
          {"lineage", snapshot.lineage},
          {"replid", snapshot.replid},
          {"offset", snapshot.offset},
          {"taken", to_rfc3339(snapshot.taken)},
          {"object", to_json(snapshot.object)},
          {"index", index},
          {"raw", raw},
          {"rdb", to_json(snapshot.rdb, encrypted)}};
}

template <typename T>
ordered_json to_json(const std::optional<T>& value) {
  return value ? ordered_json(*value) : ordered_json(nullptr);
}

ordered_json to_json(const replica::ServerInfo& server, bool has_details) {
  ordered_json document = {
      {"product", server.product},   {"version", server.version},
      {"role", server.role},         {"mode", server.mode},
      {"modules", server.modules},   {"used_memory", to_json(server.used_memory)},
      {"keys", to_json(server.keys)}};
  if (!has_details) {
    document["config"] = server.config;
    document["secrets_left_out"] = server.secrets_left_out;
    document["acl_users"] = server.acl_users;
  }
  document["missing"] = server.missing;
  return document;
}

/// A field that is a component of names.
std::string component(const JsonObject& in, const std::string& name) {
  std::string value = in.text(name);
  if (!names::is_valid_source(value)) {
    in.reject(name, "can be no part of a name");
  }
  return value;
}

/// A trigger that this program does not know comes from a later one: then it is not known.
Origin read_origin(const JsonObject& in) {
  Origin origin;
  if (in.has("trigger")) {
    origin.trigger = trigger_from(in.text("trigger"));
  }
  if (in.has("schedule")) {
    origin.schedule = in.text("schedule");
  }
  return origin;
}

/// Reads the digits of `text`, all of it, to base `base`.
std::optional<std::uint64_t> parse_number(std::string_view text, int base) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  if (error != std::errc() || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return number;
}

rdb::DatabaseCounts read_database(const JsonObject& in) {
  rdb::DatabaseCounts counts;
  counts.keys = in.number("keys");
  counts.keys_with_ttl = in.number("keys_with_ttl");
  for (const auto& [name, keys] : in.numbers_by_key("types")) {
    if (const std::optional<rdb::ValueType> type = rdb::value_type_from(name)) {
      counts.by_type[static_cast<std::size_t>(*type)] = keys;
    }
  }
  return counts;
}

rdb::Checksum read_checksum(const JsonObject& in) {
  const std::string checksum = in.text("checksum");
  if (checksum == to_string(rdb::Checksum::valid)) {
    return rdb::Checksum::valid;
  }
  if (checksum != to_string(rdb::Checksum::absent)) {
    in.reject("checksum", "is neither valid nor absent");
  }
  return rdb::Checksum::absent;
}

int read_int(const JsonObject& in, const std::string& name) {
  return static_cast<int>(in.number(name, std::numeric_limits<int>::max()));
}

rdb::Summary read_summary(const JsonObject& in, bool encrypted) {
  rdb::Summary summary;
  summary.magic = in.text("magic");
  summary.version = read_int(in, "version");
  summary.checksum = read_checksum(in);
  summary.opaque_reason = in.optional_text("opaque_reason").value_or("");
  for (const auto& [name, database] : in.objects_by_key("databases")) {
    const std::optional<std::uint64_t> number = parse_number(name, 10);
    if (!number) {
      in.reject("databases", "has a name that is no number");
    }
    summary.databases[*number] = read_database(database);
  }
  summary.hashes_with_field_ttl = in.number("hashes_with_field_ttl");
  summary.highest_type = read_int(in, "highest_type");
  summary.modules = in.numbers_by_key("modules");
  if (!encrypted) {
    summary.functions = in.texts("functions");
    summary.aux = in.texts_by_key("aux");
  }
  return summary;
}

/// `created` is that of the backup.
Snapshot read_snapshot(const JsonObject& in, const std::string& source, Timestamp created) {
  Snapshot snapshot;
  snapshot.shard = component(in, "shard");
  snapshot.lineage = in.hex("lineage", kReplidDigits);
  snapshot.replid = in.hex("replid", kReplidDigits);
  snapshot.offset =
      static_cast<std::int64_t>(in.number("offset", std::numeric_limits<std::int64_t>::max()));
  // The first manifests did not say it.
  snapshot.taken = in.has("taken") ? in.time("taken") : created;
  snapshot.object = read_object(in.object("object"), source);
  const JsonObject index = in.object("index");
  snapshot.index_offset = index.number("offset", snapshot.object.bytes);
  // The first manifests did not say how long it is, since it runs to the end of the object.
  const std::uint64_t rest = snapshot.object.bytes - snapshot.index_offset;
  snapshot.index_bytes = index.has("bytes") ? index.number("bytes", rest) : rest;
  const bool encrypted = snapshot.object.encrypted();
  if (!encrypted && snapshot.index_bytes != rest) {
    index.reject("bytes", "does not lead to the object's end");
  }
  const JsonObject raw = in.object("raw");
  snapshot.rdb = read_summary(in.object("rdb"), encrypted);
  snapshot.rdb.bytes = raw.number("bytes");
  snapshot.digests_known = !encrypted;
  if (!encrypted) {
    snapshot.index_sha256 = index.hex("sha256", kSha256Digits);
    snapshot.raw_sha256 = raw.hex("sha256", kSha256Digits);
    snapshot.rdb.crc64 = raw.hex_number("crc64");
  }
  return snapshot;
}

replica::ServerInfo read_server(const JsonObject& in, bool has_details) {
  replica::ServerInfo server;
  server.product = in.text("product");
  server.version = in.text("version");
  server.role = in.text("role");
  server.mode = in.text("mode");
  server.modules = in.texts_by_key("modules");
  server.used_memory = in.optional_number("used_memory");
  server.keys = in.optional_number("keys");
  if (!has_details) {
    server.config = in.texts_by_key("config");
    server.secrets_left_out = in.texts("secrets_left_out");
    server.acl_users = in.texts("acl_users");
  }
  server.missing = in.texts("missing");
  return server;
}

/// Sums `part(snapshot)` over all snapshots.
template <typename Part>
std::uint64_t sum(const std::vector<Snapshot>& snapshots, const Part& part) {
  return std::accumulate(
      snapshots.begin(), snapshots.end(), std::uint64_t{0},
      [&](std::uint64_t total, const Snapshot& snapshot) { return total + part(snapshot); });
}

}  // namespace

ordered_json to_json(const StoredObject& object) {
  return {{"name", object.name},
          {"bytes", object.bytes},
          {"sha256", object.sha256},
          {"encryption", object.encrypted() ? ordered_json(kAge) : ordered_json(nullptr)}};
}

StoredObject read_object(const JsonObject& in, const std::string& source) {
  const bool is_encrypted = in.has("encryption");
  if (is_encrypted && in.text("encryption") != kAge) {
    throw Error(Side::repository, ErrorKind::incompatible,
                fmt::format("{} names an object that is encrypted in a way that this Keyrewind "
                            "can't read; use a newer one",
                            in.what()));
  }
  StoredObject object;
  object.name = in.text("name");
  if (!store::is_valid_name(object.name) || !object.name.starts_with(names::source(source))) {
    in.reject("name", "is no name of an object of this source");
  }
  if (object.encrypted() != is_encrypted) {
    in.reject("encryption", "does not fit the name");
  }
  object.bytes = in.number("bytes");
  object.sha256 = in.hex("sha256", kSha256Digits);
  return object;
}

std::uint64_t Manifest::keys() const noexcept {
  return sum(snapshots, [](const Snapshot& snapshot) { return snapshot.rdb.keys(); });
}

std::uint64_t Manifest::raw_bytes() const noexcept {
  return sum(snapshots, [](const Snapshot& snapshot) { return snapshot.rdb.bytes; });
}

std::uint64_t Manifest::stored_bytes() const noexcept {
  return sum(snapshots, [](const Snapshot& snapshot) { return snapshot.object.bytes; });
}

std::string encode(const Manifest& manifest) {
  ordered_json document = begin_document(kManifestKind);
  document["id"] = manifest.id;
  document["source"] = manifest.source;
  document["created"] = to_rfc3339(manifest.created);
  document["finished"] = to_rfc3339(manifest.finished);
  document["program"] = manifest.program;
  document["labels"] = manifest.labels;
  add_origin(document, manifest.origin);
  document["decision"] =
      manifest.decision.empty() ? ordered_json(nullptr) : ordered_json(manifest.decision);
  document["snapshots"] = ordered_json::array();
  for (const Snapshot& snapshot : manifest.snapshots) {
    document["snapshots"].push_back(to_json(snapshot));
  }
  document["servers"] = ordered_json::object();
  for (const auto& [shard, server] : manifest.servers) {
    document["servers"][shard] = to_json(server, manifest.details.has_value());
  }
  document["warnings"] = manifest.warnings;
  document["details"] = manifest.details ? to_json(*manifest.details) : ordered_json(nullptr);
  return to_text(document);
}

void add_fields(ordered_json& document, const Commit& commit) {
  document["id"] = commit.id;
  document["sequence"] = commit.sequence;
  document["source"] = commit.source;
  document["created"] = to_rfc3339(commit.created);
  document["finished"] = to_rfc3339(commit.finished);
  document["keys"] = commit.keys;
  document["raw_bytes"] = commit.raw_bytes;
  document["stored_bytes"] = commit.stored_bytes;
  document["server"] = commit.server;
  document["opaque"] = commit.opaque;
  document["labels"] = commit.labels;
  add_origin(document, commit.origin);
  document["manifest"] = to_json(commit.manifest);
}

std::string encode(const Commit& commit) {
  ordered_json document = begin_document(kCommitKind);
  add_fields(document, commit);
  return to_text(document);
}

Manifest decode_manifest(ByteView json) {
  const JsonDocument document(json, "the manifest", kManifestKind);
  const JsonObject& root = document.root();
  Manifest manifest;
  manifest.id = component(root, "id");
  manifest.source = component(root, "source");
  manifest.created = root.time("created");
  manifest.finished = root.time("finished");
  manifest.program = root.text("program");
  manifest.labels = root.texts_by_key("labels");
  manifest.origin = read_origin(root);
  if (root.has("decision")) {
    manifest.decision = root.text("decision");
  }
  for (const JsonObject& snapshot : root.objects("snapshots")) {
    manifest.snapshots.push_back(read_snapshot(snapshot, manifest.source, manifest.created));
  }
  if (root.has("details")) {
    manifest.details = read_object(root.object("details"), manifest.source);
  }
  for (const auto& [shard, server] : root.objects_by_key("servers")) {
    manifest.servers.emplace(shard, read_server(server, manifest.details.has_value()));
  }
  manifest.warnings = root.texts("warnings");
  return manifest;
}

Commit read_commit_fields(const JsonObject& in) {
  Commit commit;
  commit.id = component(in, "id");
  commit.sequence = in.number("sequence");
  commit.source = component(in, "source");
  commit.created = in.time("created");
  commit.finished = in.time("finished");
  commit.keys = in.number("keys");
  commit.raw_bytes = in.number("raw_bytes");
  commit.stored_bytes = in.number("stored_bytes");
  commit.server = in.text("server");
  commit.opaque = in.boolean("opaque");
  commit.labels = in.texts_by_key("labels");
  commit.origin = read_origin(in);
  commit.manifest = read_object(in.object("manifest"), commit.source);
  return commit;
}

Commit decode_commit(ByteView json) {
  return read_commit_fields(JsonDocument(json, "the commit", kCommitKind).root());
}

}  // namespace keyrewind::catalog
