#pragma once

#include <filesystem>

namespace keyrewind::restore {

/// A folder of our own under `parent`, which must exist, removed with all it holds at the end.
class ScratchFolder {
 public:
  explicit ScratchFolder(const std::filesystem::path& parent);
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

  const std::filesystem::path& path() const noexcept { return path_; }

 private:
  const std::filesystem::path path_;
};

}  // namespace keyrewind::restore
