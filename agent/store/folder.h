#pragma once

#include "base/error.h"

#include <filesystem>
#include <functional>
#include <string>

/// What a FileStore does to the folders of its tree. Failures are Error(Side::repository, …).
namespace keyrewind::store {

/// Whether an errno says that there is no such file.
bool is_absent(int number) noexcept;

/// What errno `number` means to the user of a repository.
Error folder_error(int number, const std::string& doing, const std::filesystem::path& path);

/// Makes one folder durably. Nothing happens if it is there. Returns false if its parent is not.
bool make_folder(const std::filesystem::path& folder);

/// Makes `folder` and whatever is missing between it and `root`, which is there.
void make_folders(const std::filesystem::path& folder, const std::filesystem::path& root);

/// Removes a file durably, and then the folders below `root` that it leaves empty. Returns whether
/// it was there.
bool remove_file(const std::filesystem::path& path, const std::filesystem::path& root);

/// Takes the name of a file, from the root and with slashes, and where it is.
using Visit = std::function<void(const std::string& name, const std::filesystem::directory_entry&)>;

/// Visits every regular file below `root` whose name begins with `prefix`, in no order. What could
/// never be an object's name is passed over, and so are symbolic links and what vanishes meanwhile.
void walk(const std::filesystem::path& root, const std::string& prefix, const Visit& visit);

}  // namespace keyrewind::store
