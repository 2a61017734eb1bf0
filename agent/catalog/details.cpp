#include "catalog/details.h"

#include "catalog/json_object.h"

#include <fmt/format.h>

#include <cstddef>
#include <utility>
#include <vector>

namespace keyrewind::catalog {
namespace {

using nlohmann::ordered_json;

// Written to every repository with encrypted backups: FORMAT.md.
constexpr std::string_view kDetailsKind = "keyrewind-details";
constexpr std::size_t kSha256Digits = 64;

ordered_json details_of(const Snapshot& snapshot) {
  return {
      {"shard", snapshot.shard},
      {"index", {{"sha256", snapshot.index_sha256}}},
      {"raw",
       {{"sha256", snapshot.raw_sha256}, {"crc64", fmt::format("{:016x}", snapshot.rdb.crc64)}}},
      {"rdb", {{"functions", snapshot.rdb.functions}, {"aux", snapshot.rdb.aux}}}};
}

ordered_json details_of(const replica::ServerInfo& server) {
  ordered_json users = ordered_json::array();
  for (const Secret& user : server.acl_users_with_hashes) {
    users.push_back(user.reveal());
  }
  return {{"config", server.config},
          {"secrets_left_out", server.secrets_left_out},
          {"acl_users", std::move(users)}};
}

void merge(Snapshot& snapshot, const JsonObject& in) {
  if (in.text("shard") != snapshot.shard) {
    in.reject("shard", "is not the manifest's");
  }
  const JsonObject raw = in.object("raw");
  const JsonObject rdb = in.object("rdb");
  snapshot.index_sha256 = in.object("index").hex("sha256", kSha256Digits);
  snapshot.raw_sha256 = raw.hex("sha256", kSha256Digits);
  snapshot.rdb.crc64 = raw.hex_number("crc64");
  snapshot.rdb.functions = rdb.texts("functions");
  snapshot.rdb.aux = rdb.texts_by_key("aux");
  snapshot.digests_known = true;
}

void merge(replica::ServerInfo& server, const JsonObject& in) {
  server.config = in.texts_by_key("config");
  server.secrets_left_out = in.texts("secrets_left_out");
  server.acl_users.clear();
  server.acl_users_with_hashes.clear();
  for (const std::string& user : in.texts("acl_users")) {
    server.acl_users.push_back(replica::without_hashes(user));
    server.acl_users_with_hashes.emplace_back(user);
  }
}

}  // namespace

std::string encode_details(const Manifest& manifest) {
  ordered_json document = begin_document(kDetailsKind);
  document["id"] = manifest.id;
  document["source"] = manifest.source;
  document["snapshots"] = ordered_json::array();
  for (const Snapshot& snapshot : manifest.snapshots) {
    document["snapshots"].push_back(details_of(snapshot));
  }
  document["servers"] = ordered_json::object();
  for (const auto& [shard, server] : manifest.servers) {
    document["servers"][shard] = details_of(server);
  }
  return to_text(document);
}

void merge_details(Manifest& manifest, ByteView json) {
  const JsonDocument document(json, fmt::format("the details of backup {}", manifest.id),
                              kDetailsKind);
  const JsonObject& root = document.root();
  for (const auto& [name, expected] :
       {std::pair("id", &manifest.id), {"source", &manifest.source}}) {
    if (root.text(name) != *expected) {
      root.reject(name, "is that of another backup");
    }
  }
  Manifest merged = manifest;
  const std::vector<JsonObject> snapshots = root.objects("snapshots");
  const auto servers = root.objects_by_key("servers");
  if (snapshots.size() != merged.snapshots.size()) {
    root.reject("snapshots", "are not as many as the manifest's");
  }
  for (std::size_t i = 0; i < snapshots.size(); ++i) {
    merge(merged.snapshots[i], snapshots[i]);
  }
  for (const auto& [shard, server] : servers) {
    const auto found = merged.servers.find(shard);
    if (found == merged.servers.end()) {
      root.reject("servers", "are not the manifest's");
    }
    merge(found->second, server);
  }
  if (servers.size() != merged.servers.size()) {
    root.reject("servers", "are not the manifest's");
  }
  manifest = std::move(merged);
}

}  // namespace keyrewind::catalog
