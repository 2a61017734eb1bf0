#pragma once

#include "base/clock.h"
#include "base/progress.h"
#include "catalog/catalog.h"
#include "restore/verify.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

namespace keyrewind::restore {

/// The log behind a snapshot, as it was found.
struct VerifiedLog {
  std::string lineage;
  std::int64_t begin = 0;  ///< Offset of the snapshot.
  std::int64_t end = 0;    ///< Up to here the indexes hold together.
  Timestamp from{};        ///< When the snapshot was taken…
  Timestamp until{};       ///< …and the last byte had arrived.
  std::size_t segments = 0;
  std::size_t unreadable = 0;        ///< Of these, not looked into for want of an identity.
  std::uint64_t raw_bytes = 0;       ///< Of the stream that were read; 0 at level checksum.
  std::vector<std::string> damages;  ///< A line each, with offsets; none: it is sound.
};

struct LogVerification {
  std::vector<VerifiedLog> logs;  ///< Oldest first.
  /// Further objects of the source that are damaged or missing, a line each, if all was looked at.
  std::vector<std::string> problems;
};

/// Verifies the log behind `backup` up to its end, or behind all backups. At level checksum its
/// indexes, which are its hash chain; above that its data, too: every frame, every link, and that
/// it is a stream of whole commands. Damage ends in the result, and what lies behind it is looked
/// at as well. Throws what reading a timeline does.
LogVerification verify_log(const catalog::Catalog& catalog,
                           const std::optional<std::string>& backup, const VerifyOptions& options,
                           Progress& progress, std::stop_token stop);

}  // namespace keyrewind::restore
