#pragma once

#include "catalog/restore_request.h"
#include "cli/invocation.h"

#include <filesystem>
#include <optional>
#include <stop_token>

/// The restore request that the restore in front of a server carries out.
namespace keyrewind::cli {

/// The request that is pending, if there is one. One that `target` was restored for already, by a
/// run that was killed before it could say so, is noted as done.
///
/// With data in the folder, a repository that does not answer at once is passed over with a
/// warning: it must not keep a server from starting. Without, its errors are thrown.
std::optional<catalog::RestoreRequest> find_pending_request(Repository& repository,
                                                            const std::filesystem::path& target,
                                                            bool has_data, Invocation& invocation);

/// Notes that `request` was carried out.
void note_outcome(Repository& repository, const catalog::RestoreRequest& request,
                  const catalog::RestoreOutcome& outcome, const std::stop_token& stop);

/// Notes that it failed. Where that cannot be noted, the error itself has said enough.
void note_failure(Repository& repository, const catalog::RestoreRequest& request,
                  const Error& error, const std::stop_token& stop);

}  // namespace keyrewind::cli
