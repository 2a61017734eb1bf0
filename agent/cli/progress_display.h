#pragma once

#include "base/clock.h"
#include "base/progress.h"
#include "cli/global_options.h"

#include <chrono>
#include <string>
#include <thread>

namespace keyrewind::cli {

/// Shows how a run comes on, on stderr, for as long as it lives: a bar with rate and estimated time
/// on a terminal; elsewhere a log line each 10 % or 30 s; nothing with --quiet.
class ProgressDisplay {
 public:
  /// `doing` is such as "backup"; `progress` must outlive the display.
  ProgressDisplay(std::string doing, const Progress& progress, const GlobalOptions& global);
  ~ProgressDisplay();
  ProgressDisplay(const ProgressDisplay&) = delete;
  ProgressDisplay& operator=(const ProgressDisplay&) = delete;

 private:
  void show_bar(const std::stop_token& ended);
  void show_lines(const std::stop_token& ended);

  const std::string doing_;
  const Progress& progress_;
  const std::chrono::steady_clock::time_point started_;
  std::jthread shower_;
};

/// One line of the bar: "backup  [######----]  61%  1.2 GiB  210.0 MiB/s  eta 12s", at most `width`
/// columns.
std::string progress_line(const std::string& doing, const Progress& progress,
                          std::chrono::milliseconds elapsed, std::size_t width);

}  // namespace keyrewind::cli
