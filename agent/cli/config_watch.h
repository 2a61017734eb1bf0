#pragma once

#include <optional>
#include <string>

namespace keyrewind::cli {

/// Notices that the configuration's file has another content, however that came about: written
/// over, renamed into place, or a symbolic link on its way that leads elsewhere now, as Kubernetes
/// swaps a ConfigMap. One thread.
class ConfigWatch {
 public:
  /// A name that is no file's has never a change.
  explicit ConfigWatch(std::string file);

  /// Whether the content is another one than at the last call, or at first. A file that is gone, or
  /// can't be read for now, has not changed.
  bool has_changed();

 private:
  std::optional<std::string> read() const;

  const std::string file_;
  std::optional<std::string> content_;
};

}  // namespace keyrewind::cli
