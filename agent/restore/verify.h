#pragma once

#include "base/progress.h"
#include "catalog/catalog.h"
#include "restore/read_snapshot.h"
#include "restore/throwaway_server.h"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

namespace keyrewind::restore {

/// How thoroughly a backup is verified; each level includes those before.
enum class VerifyLevel {
  checksum,  ///< Every stored byte against its SHA-256.
  parse,     ///< The RDB too: inflated, followed, CRC64 and counts compared.
  load,      ///< And loaded by a throw-away server, whose key count is compared.
};
std::string_view to_string(VerifyLevel level) noexcept;

struct VerifyOptions {
  VerifyLevel level = VerifyLevel::parse;
  ReadOptions read;
  ServerProgram server;  ///< For `load`; empty: what PATH has, the source's product first.
  std::filesystem::path temporary;  ///< For `load`: a folder with room for the RDB.
};

/// What was found to be sound.
struct VerifyResult {
  std::uint64_t stored_bytes = 0;
  std::uint64_t raw_bytes = 0;  ///< 0 at level checksum.
  std::uint64_t keys = 0;       ///< As counted, at level load as loaded.
  std::uint64_t expired = 0;    ///< Of these, expired when the server loaded them.
  std::string server;           ///< "Valkey 8.1.1", at level load.
};

/// Verifies one backup. Throws Error(corrupt) naming what is wrong; Error(failed) if the server
/// program can't be run, Error(incompatible) if it is too old for the snapshot.
VerifyResult verify_backup(const catalog::Catalog& catalog, const catalog::Commit& commit,
                           const VerifyOptions& options, Progress& progress, std::stop_token stop);

}  // namespace keyrewind::restore
