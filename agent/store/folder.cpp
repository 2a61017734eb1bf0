#include "store/folder.h"

#include "io/fd.h"
#include "io/file.h"
#include "store/object_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace keyrewind::store {

namespace fs = std::filesystem;

namespace {

constexpr unsigned kFolderMode = 0750;

/// Removes the folders from `folder` up to, but not, `root` as long as they are empty.
void prune_folders(fs::path folder, const fs::path& root) {
  while (folder != root && ::rmdir(folder.c_str()) == 0) {
    folder = folder.parent_path();
  }
}

/// Visits the files below `folder`, whose own name, with a final '/' if it is not the root, is
/// `base`.
void walk_folder(const fs::path& folder, const std::string& base, const Visit& visit) {
  std::error_code error;
  fs::directory_iterator entry(folder, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    const std::string name = base + entry->path().filename().string();
    if (!is_valid_name(name)) {
      continue;
    }
    // The folder itself tells what its entries are, which saves a call for each.
    std::error_code gone;
    if (entry->is_symlink(gone)) {
      continue;
    }
    if (entry->is_directory(gone)) {
      walk_folder(entry->path(), name + "/", visit);
    } else if (entry->is_regular_file(gone)) {
      visit(name, *entry);
    }
  }
  if (error && !is_absent(error.value())) {
    throw folder_error(error.value(), "read folder", folder);
  }
}

}  // namespace

bool is_absent(int number) noexcept {
  return number == ENOENT || number == ENOTDIR;
}

Error folder_error(int number, const std::string& doing, const fs::path& path) {
  return io::file_error(Side::repository, number, doing, path);
}

bool make_folder(const fs::path& folder) {
  if (::mkdir(folder.c_str(), kFolderMode) != 0) {
    if (errno == EEXIST) {
      return true;
    }
    if (errno == ENOENT) {
      return false;
    }
    throw folder_error(errno, "make folder", folder);
  }
  io::sync_folder(folder.parent_path(), Side::repository);
  return true;
}

void make_folders(const fs::path& folder, const fs::path& root) {
  if (folder == root || make_folder(folder)) {
    return;
  }
  make_folders(folder.parent_path(), root);
  make_folder(folder);  // If somebody prunes it at this moment, the caller meets that.
}

bool remove_file(const fs::path& path, const fs::path& root) {
  const io::Fd folder(::open(path.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder) {
    if (is_absent(errno)) {
      return false;
    }
    throw folder_error(errno, "open", path.parent_path());
  }
  if (::unlinkat(folder.number(), path.filename().c_str(), 0) != 0) {
    if (is_absent(errno) || errno == EISDIR) {
      return false;
    }
    throw folder_error(errno, "remove", path);
  }
  // What is removed later must not be gone while this one comes back after a power cut.
  if (::fsync(folder.number()) != 0 && errno != EINVAL) {
    throw folder_error(errno, "sync", path.parent_path());
  }
  prune_folders(path.parent_path(), root);
  return true;
}

void walk(const fs::path& root, const std::string& prefix, const Visit& visit) {
  const std::size_t slash = prefix.rfind('/');
  const std::string base = slash == std::string::npos ? "" : prefix.substr(0, slash + 1);
  const auto visit_if_meant = [&](const std::string& name, const fs::directory_entry& entry) {
    if (name.starts_with(prefix)) {
      visit(name, entry);
    }
  };
  if (base.empty()) {
    walk_folder(root, base, visit_if_meant);
  } else if (const std::string folder = base.substr(0, slash); is_valid_name(folder)) {
    walk_folder(root / folder, base, visit_if_meant);
  }
}

}  // namespace keyrewind::store
