#pragma once

#include "base/clock.h"
#include "store/object_store.h"

#include <stop_token>
#include <string>

/// The object that says "this is a repository", at its root. FORMAT.md, section "Repository".
namespace keyrewind::catalog {

/// What stands at the place that a store's URL names.
enum class Place { repository, nothing };

/// Looks, changing nothing. Throws Error(Side::repository, …): unavailable if the place is missing
/// or holds foreign things, corrupt if the marker is damaged, incompatible if its format is newer.
Place inspect(const store::ObjectStore& store, std::stop_token stop);

/// Makes the place and the repository in it unless they are there. Throws what `inspect` throws,
/// and what the store does.
void ensure_repository(store::ObjectStore& store, const Clock& clock, std::stop_token stop);

/// Throws Error(busy) if a run that writes backups of the source is at work.
void check_no_writer(store::ObjectStore& store, const std::string& source,
                     const std::stop_token& stop);

}  // namespace keyrewind::catalog
