#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "base/progress.h"
#include "copies/object_copy.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace keyrewind::copies {

struct CopyOptions {
  std::string source;
  std::size_t connections = 4;  ///< So many objects are copied at once.
  /// Whether the target is kept as a copy by whoever calls, and by nobody else: what broken uploads
  /// left there is removed, and the segments that merged ones replace. Of a primary repository that
  /// is its agent's business.
  bool tidy = true;
};

/// Who wants to know how a pass comes on; called from any of its threads.
struct CopyObserver {
  /// One more object of so many bytes is in the target.
  std::function<void(std::uint64_t bytes)> copied{};
  /// Since when the target has not been complete, as the objects that it lacks tell; nothing: it
  /// is.
  std::function<void(std::optional<Timestamp>)> lacks_since{};
};

/// What a pass did.
struct CopyReport {
  std::uint64_t objects = 0;  ///< Taken over.
  std::uint64_t bytes = 0;
  /// Objects that were merged or removed at the source before they could be taken: another pass
  /// finds what replaces them.
  std::uint64_t gone = 0;
  std::vector<Error> problems{};  ///< Objects that were not taken over because they are damaged.
  std::optional<Timestamp> lacks_since{};  ///< Of the oldest one that the target still lacks.
  /// The target's newest backup, if the source has none so new: most likely the source was lost.
  std::optional<std::string> newer_in_target{};
};

/// Keeps account of a pass while several threads work on it.
class Account {
 public:
  Account(const CopyObserver& observer, Progress& progress);

  /// The target lacks this object. Where it holds the same bytes in other objects, or nobody knows
  /// since when, `since` is nothing.
  void lacks(const std::string& name, std::uint64_t bytes, std::optional<Timestamp> since);

  /// Takes over an object that the target lacks, and notes what came of it. What is damaged is a
  /// problem, and still lacking; other failures are thrown. Returns whether the target has it.
  bool take(const Sides& sides, const Wanted& wanted, const std::stop_token& stop);

  /// It is in the target, or not wanted any more.
  void settle(const std::string& name);
  void gone(const std::string& name);
  void copied(const std::string& name, std::uint64_t bytes);
  void add_problem(Error error);

  /// Since when the target has not been complete.
  std::optional<Timestamp> lacks_since() const;

  CopyReport report() const;

 private:
  void tell() const;

  const CopyObserver& observer_;
  Progress& progress_;
  mutable std::mutex mutex_;  ///< Guards what follows.
  CopyReport report_;
  std::map<std::string, Timestamp> lacking_;
  std::multiset<Timestamp> times_;  ///< Of those.
};

/// Whether a failure is that of one object, which does not keep the others from being copied.
bool is_damage(const Error& error) noexcept;

/// The time in names that begin or end like an id: "20261120T130221Z-0a1b2c".
std::optional<Timestamp> time_of_id(std::string_view id);

}  // namespace keyrewind::copies
