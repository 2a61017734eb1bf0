#pragma once

#include "base/clock.h"
#include "catalog/catalog.h"
#include "metrics/restore_metrics.h"

#include <filesystem>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>

namespace keyrewind::daemon {

/// Tells of restores, which happen in processes that nobody can ask: how the last one went, as the
/// mark in the server's data folder and the outcome of the last request say, and whether one is
/// asked for. One thread.
class RestoreWatch {
 public:
  /// How a restore ended.
  struct End {
    Timestamp at{};
    double seconds = 0;
    bool succeeded = false;
  };

  /// Hears of each restore that has ended, once.
  using Ended = std::function<void(const End&)>;

  /// `data_dir` is the folder as this process sees it; empty: it does not. What ended before
  /// `news_since` is no news. All must outlive this.
  RestoreWatch(const catalog::Catalog& catalog, std::filesystem::path data_dir,
               metrics::RestoreMetrics& metrics, Timestamp news_since, Ended ended);

  /// Looks once. What cannot be read leaves the metrics as they are, after a warning.
  void look(const std::stop_token& stop);

  /// Looks now, and every minute until stopped.
  void look_for_ever(const std::stop_token& stop);

 private:
  void tell(const std::optional<End>& end);
  void warn(const std::string& error);

  const catalog::Catalog& catalog_;
  const std::filesystem::path data_dir_;
  metrics::RestoreMetrics& metrics_;
  Timestamp news_since_;
  const Ended ended_;
  std::string last_error_;
};

}  // namespace keyrewind::daemon
