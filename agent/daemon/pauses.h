#pragma once

#include <filesystem>
#include <set>
#include <string>

namespace keyrewind::daemon {

/// Which schedules somebody has paused. It stays so over restarts: it stands in a file of the
/// agent's own folder. One thread at a time.
class Pauses {
 public:
  /// Reads `folder`, which is there. A file that can't be read pauses nothing, and is warned of.
  explicit Pauses(std::filesystem::path folder);

  bool contains(const std::string& schedule) const { return names_.contains(schedule); }

  /// Throws what the io room throws if it cannot be kept; then nothing has changed.
  void set(const std::string& schedule, bool paused);

 private:
  void write(const std::set<std::string>& names) const;

  const std::filesystem::path file_;
  std::set<std::string> names_;
};

}  // namespace keyrewind::daemon
