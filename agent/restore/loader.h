#pragma once

#include "catalog/manifest.h"
#include "rdb/compatibility.h"
#include "restore/throwaway_server.h"

namespace keyrewind::restore {

/// A server program that is able to load a snapshot, and what it says of itself.
struct Loader {
  ServerProgram program;
  rdb::ServerVersion version;
};

/// `named`, unless it is empty: then the source's own product as PATH has it, or the other one if
/// that can load the snapshot, too. Throws Error(failed) if it can't be run, Error(incompatible) if
/// it is too old for the snapshot.
Loader find_loader(const ServerProgram& named, const catalog::Manifest& manifest,
                   const catalog::Snapshot& snapshot);

}  // namespace keyrewind::restore
