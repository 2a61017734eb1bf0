#include "restore/loader.h"

#include "base/error.h"

namespace keyrewind::restore {
namespace {

/// Asks `program` whether it is able to load the snapshot. Throws if it can't be run or is too old.
Loader ask_loader(const ServerProgram& program, const rdb::Summary& summary) {
  const rdb::ServerVersion version = ask_version(program);
  if (const auto why = rdb::why_not_loadable(summary.magic, summary.version, version)) {
    throw Error(ErrorKind::incompatible, *why + "; name another server with --server");
  }
  return {program, version};
}

}  // namespace

Loader find_loader(const ServerProgram& named, const catalog::Manifest& manifest,
                   const catalog::Snapshot& snapshot) {
  const rdb::Summary& summary = snapshot.rdb;
  if (!named.command.empty()) {
    return ask_loader(named, summary);
  }
  const auto server = manifest.servers.find(snapshot.shard);
  const bool valkey = summary.magic == "VALKEY" ||
                      (server != manifest.servers.end() && server->second.product == "valkey");
  const ServerProgram own{valkey ? "valkey-server" : "redis-server"};
  const ServerProgram other{valkey ? "redis-server" : "valkey-server"};
  try {
    return ask_loader(own, summary);
  } catch (const Error&) {
    try {
      return ask_loader(other, summary);
    } catch (const Error&) {
      // What is wrong with the source's own product says more.
    }
    throw;
  }
}

}  // namespace keyrewind::restore
