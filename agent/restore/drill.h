#pragma once

#include "base/clock.h"
#include "base/progress.h"
#include "catalog/catalog.h"
#include "catalog/drill_report.h"
#include "restore/read_options.h"
#include "restore/throwaway_server.h"

#include <filesystem>
#include <stop_token>
#include <string>

namespace keyrewind::restore {

struct DrillOptions {
  std::string backup{};  ///< As `resolve` reads both.
  std::string at{};
  ReadOptions read{};
  ServerProgram server{};             ///< Empty: what PATH has, the source's product first.
  std::filesystem::path temporary{};  ///< A folder with room for the RDB and the log.
  std::string node{};                 ///< For the report: where this runs.
};

/// Practises a restore: fetches a backup and the log behind it up to the moment, checks every
/// checksum and count on the way, has a throw-away server load it, and asks that whether all is
/// there. Nothing of the source's servers is touched.
///
/// The verdict comes back, and is recorded in the repository. What says nothing about the backup is
/// thrown instead: a repository that cannot be read, no such backup or moment, no server program,
/// no room.
catalog::DrillReport run_drill(const catalog::Catalog& catalog, const DrillOptions& options,
                               Progress& progress, const Clock& clock, std::stop_token stop);

}  // namespace keyrewind::restore
