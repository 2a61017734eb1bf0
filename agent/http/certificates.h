#pragma once

#include "http/engine.h"

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>

namespace keyrewind::http {

/// The files of a certificate, and whether they have changed. For one thread.
class Certificates {
 public:
  Certificates(std::filesystem::path cert_file, std::filesystem::path key_file);

  /// What stands in the files now. Throws Error(config) naming the one that can't be read.
  TlsFiles read();

  /// Whether they are others than those that were read; looks at most once a second.
  bool have_changed(std::chrono::steady_clock::time_point now);

 private:
  /// Tells one version of a file from another.
  static std::string fingerprint(const std::filesystem::path& path);

  const std::filesystem::path cert_file_;
  const std::filesystem::path key_file_;
  std::string seen_;
  std::chrono::steady_clock::time_point looked_{};
};

}  // namespace keyrewind::http
