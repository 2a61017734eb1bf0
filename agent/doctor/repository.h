#pragma once

#include "doctor/findings.h"
#include "store/object_store.h"

#include <stop_token>
#include <string>

namespace keyrewind::doctor {

/// What is wanted of a repository beside reading and writing.
struct RepositoryNeeds {
  bool leases = true;  ///< It is the one whose lease agents take.
};

/// Tries every operation that a backup, the log, a merge, a restore or the next run's cleaning up
/// does in `store`, one after the other, on objects of its own below "leases/", which it removes.
/// Each that fails is a problem that names what is missing. A repository that is not there yet, in
/// a place where it can be made, is none. `check` names the repository in the findings.
void examine_repository(const std::string& check, store::ObjectStore& store,
                        const RepositoryNeeds& needs, Findings& findings, std::stop_token stop);

}  // namespace keyrewind::doctor
