#pragma once

#include "base/clock.h"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace keyrewind::restore {

/// The file in a data folder that says where its data came from.
inline constexpr const char* kRestoreMark = ".keyrewind-restore.json";

/// What it says: how the last restore into the folder went. The agent beside the server makes
/// metrics of it, as the restore itself was over before anybody could ask.
struct RestoreMark {
  enum class State {
    running,      ///< Or killed: the next restore begins anew.
    interrupted,  ///< The next one goes on.
    done,
    failed,  ///< Written only by one that nobody watches, before a server's start.
  };

  State state = State::running;
  std::string backup;
  Timestamp at{};           ///< The moment that was restored,
  std::int64_t offset = 0;  ///< and its offset.
  std::uint64_t bytes = 0;  ///< RDB and log.
  Timestamp started{};
  std::optional<Timestamp> finished;  ///< When done or failed.
  double seconds = 0;                 ///< The same.
  std::uint64_t request = 0;          ///< Number of the restore request; 0: there was none.
  std::string error;                  ///< When failed.
};

/// The mark in `folder`; nothing if there is none, or one that cannot be understood. Throws
/// Error(failed) if it cannot be read.
std::optional<RestoreMark> read_restore_mark(const std::filesystem::path& folder);

/// Leaves the mark `failed` in `folder`, whose restore began at `started` and ended with `error`
/// before it could leave one itself: for the agent of a server that somebody starts there all the
/// same. A mark that the restore has left stays. Where it cannot be written that is logged, since
/// the error itself has said enough.
void note_failed_restore(const std::filesystem::path& folder, const std::string& error,
                         Timestamp started, const Clock& clock);

}  // namespace keyrewind::restore
