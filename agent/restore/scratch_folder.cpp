#include "restore/scratch_folder.h"

#include "base/random.h"
#include "io/file.h"

#include <sys/stat.h>

#include <cerrno>
#include <system_error>

namespace keyrewind::restore {

ScratchFolder::ScratchFolder(const std::filesystem::path& parent)
    : path_(std::filesystem::absolute(parent) / ("keyrewind-" + random_hex(4))) {
  if (mkdir(path_.c_str(), 0700) != 0) {
    throw io::file_error(Side::here, errno, "make folder", path_);
  }
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace keyrewind::restore
