#pragma once

#include "replica/connection.h"
#include "replica/position.h"

#include <cstdint>
#include <optional>
#include <stop_token>

namespace keyrewind::backup {

/// What a server went on with after a snapshot was taken of it.
struct AfterSnapshot {
  std::int64_t offset = 0;  ///< That it has come to.
  bool is_quiet = false;    ///< Nothing but pings: the data is still what the snapshot holds.
};

/// Reads the stream behind `position`, where the node's snapshot is exact, up to where the node is
/// now. Nothing if the node has not kept so much, or has another history. Throws what the source
/// throws.
std::optional<AfterSnapshot> look_after_snapshot(const replica::SourceOptions& node,
                                                 const replica::Position& position,
                                                 std::stop_token stop);

}  // namespace keyrewind::backup
