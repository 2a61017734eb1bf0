#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace keyrewind::catalog {

/// Why a backup was taken.
enum class Trigger {
  base,      ///< The agent needed a snapshot for its log to begin with.
  schedule,  ///< It was due.
  manual,    ///< Somebody asked for it.
  final,     ///< Somebody asked for the last one of a source that is about to go.
  import,    ///< It was no backup of the source: its RDB was brought in.
};

/// The word that stands in the repository: never rename.
std::string_view to_string(Trigger trigger) noexcept;

/// Nothing for any other word.
std::optional<Trigger> trigger_from(std::string_view word) noexcept;

/// Where a backup comes from, as its commit and its manifest say.
struct Origin {
  std::optional<Trigger> trigger{};  ///< Nothing: written before this was noted.
  std::string schedule{};            ///< The name of the schedule, if that was the trigger.

  bool operator==(const Origin&) const = default;
};

}  // namespace keyrewind::catalog
