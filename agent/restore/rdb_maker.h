#pragma once

#include "catalog/manifest.h"
#include "rdb/compatibility.h"
#include "restore/throwaway_server.h"

#include <filesystem>
#include <optional>
#include <stop_token>

/// The RDB of a moment that lies behind a snapshot: only a server can make it, from the snapshot
/// and the log.
namespace keyrewind::restore {

/// What the source was, as its manifest says, or else the RDB; nothing if neither does.
std::optional<rdb::ServerVersion> source_server(const catalog::Manifest& manifest,
                                                const catalog::Snapshot& snapshot);

/// The server program to make the RDB with: `named` if given, whose RDBs are then wanted; else what
/// PATH has of the source's product, unless it is newer than the source or than `target`, the
/// server that will load the RDB, if known: these could not load what it writes.
///
/// Throws Error(config) if there is none, saying why and what to do; Error(incompatible) if `named`
/// is too old for the snapshot, Error(failed) if it can't be run.
ServerProgram find_rdb_maker(const std::optional<ServerProgram>& named,
                             const std::optional<rdb::ServerVersion>& target,
                             const catalog::Manifest& manifest, const catalog::Snapshot& snapshot);

/// Databases that a server must have for the log of this snapshot's source.
std::uint64_t databases_of(const catalog::Manifest& manifest, const catalog::Snapshot& snapshot);

/// Loads the AOF in `folder`, which has the names of aof::Names(), into a throw-away server and has
/// it write `folder`/dump.rdb. Keys whose time is over stay in it, for whoever loads it to drop.
/// Throws Error(corrupt) if the server does not load all of it, Error(incompatible) if it refuses
/// some of the log's commands, Error(failed) if it can't save.
void make_rdb(const ServerProgram& program, const std::filesystem::path& folder,
              std::uint64_t databases, std::stop_token stop);

}  // namespace keyrewind::restore
