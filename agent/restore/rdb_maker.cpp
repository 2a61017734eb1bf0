#include "restore/rdb_maker.h"

#include "base/error.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <string>
#include <utility>

namespace keyrewind::restore {
namespace {

using Product = rdb::ServerVersion::Product;

/// Enough for any source whose configuration could not be read.
constexpr std::uint64_t kManyDatabases = 1024;
/// What a server has unless told otherwise.
constexpr std::uint64_t kDefaultDatabases = 16;

Error none_usable(const std::string& why) {
  return {ErrorKind::config,
          fmt::format("only a server can make the RDB of this moment, and {}; name a server "
                      "program with --server, or restore with --layout aof",
                      why)};
}

rdb::ServerVersion ask(const ServerProgram& program) {
  try {
    return ask_version(program);
  } catch (const Error& error) {
    // Its own advice is part of ours.
    const std::string why = error.what();
    throw none_usable(why.substr(0, why.find(';')));
  }
}

/// Whether `server` writes RDBs that `reader` may not load.
bool is_newer(const rdb::ServerVersion& server, const rdb::ServerVersion& reader) {
  return std::pair(server.major, server.minor) > std::pair(reader.major, reader.minor);
}

std::uint64_t number_or(const std::string& text, std::uint64_t otherwise) {
  std::uint64_t number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  return failure == std::errc() && end == text.data() + text.size() ? number : otherwise;
}

}  // namespace

std::optional<rdb::ServerVersion> source_server(const catalog::Manifest& manifest,
                                                const catalog::Snapshot& snapshot) {
  if (const auto server = manifest.servers.find(snapshot.shard); server != manifest.servers.end()) {
    const auto& [product, version] = std::pair(server->second.product, server->second.version);
    if (const auto known = rdb::parse_server_version(product + " " + version)) {
      return known;
    }
  }
  for (const auto& [aux, product] : {std::pair("valkey-ver", "valkey"), {"redis-ver", "redis"}}) {
    if (const auto version = snapshot.rdb.aux.find(aux); version != snapshot.rdb.aux.end()) {
      return rdb::parse_server_version(std::string(product) + " " + version->second);
    }
  }
  return std::nullopt;
}

ServerProgram find_rdb_maker(const std::optional<ServerProgram>& named,
                             const std::optional<rdb::ServerVersion>& target,
                             const catalog::Manifest& manifest, const catalog::Snapshot& snapshot) {
  const rdb::Summary& summary = snapshot.rdb;
  if (named) {
    if (const auto why =
            rdb::why_not_loadable(summary.magic, summary.version, ask_version(*named))) {
      throw Error(ErrorKind::incompatible, *why + "; name another server with --server");
    }
    return *named;
  }
  const auto source = source_server(manifest, snapshot);
  if (!source) {
    throw none_usable("what the source was is not known");
  }
  const ServerProgram own{source->product == Product::valkey ? "valkey-server" : "redis-server"};
  const rdb::ServerVersion version = ask(own);
  if (version.product != source->product || is_newer(version, *source)) {
    throw none_usable(fmt::format("{} in PATH is {}, newer than the source, {}", own.command,
                                  rdb::to_string(version), rdb::to_string(*source)));
  }
  if (target && (version.product != target->product || is_newer(version, *target))) {
    throw none_usable(fmt::format("{} in PATH is {}, newer than the target, {}", own.command,
                                  rdb::to_string(version), rdb::to_string(*target)));
  }
  if (const auto why = rdb::why_not_loadable(summary.magic, summary.version, version)) {
    throw none_usable(*why);
  }
  return own;
}

std::uint64_t databases_of(const catalog::Manifest& manifest, const catalog::Snapshot& snapshot) {
  std::uint64_t databases = kDefaultDatabases;
  if (!snapshot.rdb.databases.empty()) {
    databases = std::max(databases, snapshot.rdb.databases.rbegin()->first + 1);
  }
  const auto server = manifest.servers.find(snapshot.shard);
  if (server == manifest.servers.end()) {
    return std::max(databases, kManyDatabases);
  }
  const bool known = std::ranges::none_of(server->second.missing, [](const std::string& missing) {
    return missing.starts_with("config");
  });
  const auto option = server->second.config.find("databases");
  const std::uint64_t configured = option != server->second.config.end()
                                       ? number_or(option->second, kManyDatabases)
                                   : known ? kDefaultDatabases
                                           : kManyDatabases;
  return std::max(databases, configured);
}

void make_rdb(const ServerProgram& program, const std::filesystem::path& folder,
              std::uint64_t databases, std::stop_token stop) {
  ThrowawayServer server(program, folder,
                         {.form = ThrowawayData::Form::aof, .databases = databases}, stop);
  if (const std::uint64_t refused = server.number("unexpected_error_replies"); refused != 0) {
    throw Error(ErrorKind::incompatible,
                fmt::format("{} refused {} commands of the log; name a server like the source with "
                            "--server, or restore with --layout aof",
                            program.command, refused));
  }
  server.save(std::move(stop));
}

}  // namespace keyrewind::restore
