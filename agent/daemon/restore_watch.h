#pragma once

#include "catalog/catalog.h"
#include "metrics/restore_metrics.h"

#include <filesystem>
#include <stop_token>
#include <string>

namespace keyrewind::daemon {

/// Tells monitoring of restores, which happen in processes that nobody can ask: how the last one
/// into the server's data folder went, and whether one has been asked for. One thread.
class RestoreWatch {
 public:
  /// `data_dir` is the folder as this process sees it; empty: it does not. All must outlive this.
  RestoreWatch(const catalog::Catalog& catalog, std::filesystem::path data_dir,
               metrics::RestoreMetrics& metrics);

  /// Looks once. What cannot be read leaves the metrics as they are, after a warning.
  void look(const std::stop_token& stop);

  /// Looks now, and every minute until stopped.
  void look_for_ever(const std::stop_token& stop);

 private:
  void look_into_folder();
  void look_for_request(const std::stop_token& stop);
  void warn(const std::string& error);

  const catalog::Catalog& catalog_;
  const std::filesystem::path data_dir_;
  metrics::RestoreMetrics& metrics_;
  std::string last_error_;
};

}  // namespace keyrewind::daemon
