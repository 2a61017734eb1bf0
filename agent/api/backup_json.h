#pragma once

#include "catalog/backup_lock.h"
#include "catalog/manifest.h"

#include <nlohmann/json.hpp>

namespace keyrewind::api {

/// What `list`, `backup` and `show` print of a backup with -o json. Fields are only ever added.
nlohmann::ordered_json to_json(const catalog::Commit& commit);

/// The same and everything else that its manifest says.
nlohmann::ordered_json to_json(const catalog::Commit& commit, const catalog::Manifest& manifest);

/// The field "lock" of a backup: null, or until when it is locked and why.
nlohmann::ordered_json to_json(const catalog::BackupLock* lock);

}  // namespace keyrewind::api
