#include "cli/pending_request.h"

#include "base/log.h"
#include "cli/ordinals.h"
#include "flow/time_limit.h"
#include "restore/restore_mark.h"

#include <chrono>
#include <cstdint>
#include <string>

namespace keyrewind::cli {
namespace {

/// How long a start with data in place waits for the repository, at most.
constexpr std::chrono::seconds kLookTime{2};

/// A source that is no cluster has one shard.
constexpr const char* kShard = "0";

/// Looks without trying again, and for a short time only; nothing if there is no answer.
std::optional<catalog::RestoreRequestStatus> look_briefly(const Repository& repository,
                                                          const std::stop_token& stop) {
  config::Config config = repository.config();
  for (config::Config::Repository& one : config.copies) {
    one.retry_time = {};
  }
  config.repository.retry_time = {};
  const flow::TimeLimit limit(kLookTime);
  try {
    Repository impatient(config, repository.name(), RepositoryUse{});
    return catalog::newest_restore_request(impatient.catalog(), limit.token());
  } catch (const Error& error) {
    if (stop.stop_requested()) {
      throw Error(ErrorKind::cancelled, "stopped");
    }
    log::warn(
        "no look for a restore request; going on with the data that is there",
        {{"repository", repository.config().repository.url},
         {"error", error.kind() == ErrorKind::cancelled ? "no answer within " + to_human(kLookTime)
                                                        : error.what()}});
    return std::nullopt;
  }
}

}  // namespace

std::optional<catalog::RestoreRequest> find_pending_request(Repository& repository,
                                                            const std::filesystem::path& target,
                                                            bool has_data, Invocation& invocation) {
  const auto status = has_data
                          ? look_briefly(repository, invocation.stop)
                          : catalog::newest_restore_request(repository.catalog(), invocation.stop);
  if (!status || !status->is_pending(kShard)) {
    return std::nullopt;
  }
  const catalog::RestoreRequest& request = status->request;
  const auto mark = restore::read_restore_mark(target);
  if (!has_data || !mark || mark->state != restore::RestoreMark::State::done ||
      mark->request != request.number) {
    return request;
  }
  note_outcome(repository, request,
               {.backup = mark->backup,
                .at = mark->at,
                .offset = mark->offset,
                .bytes = mark->bytes,
                .seconds = mark->seconds,
                .finished = mark->finished.value_or(mark->started),
                .node = name_of_node()},
               invocation.stop);
  return std::nullopt;
}

void note_outcome(Repository& repository, const catalog::RestoreRequest& request,
                  const catalog::RestoreOutcome& outcome, const std::stop_token& stop) {
  if (catalog::note_restore_outcome(repository.catalog(), request.number, kShard, outcome, stop)) {
    log::info("restore request carried out",
              {{"request", request.number}, {"backup", outcome.backup}});
  } else {
    log::warn("restore request had been carried out before", {{"request", request.number}});
  }
}

void note_failure(Repository& repository, const catalog::RestoreRequest& request,
                  const Error& error, const std::stop_token& stop) {
  try {
    catalog::note_restore_failure(
        repository.catalog(), request.number, kShard,
        {.at = SystemClock().now(), .error = error.what(), .node = name_of_node()}, stop);
  } catch (const Error& second) {
    log::warn("failure of the restore request not noted", {{"error", second.what()}});
  }
}

}  // namespace keyrewind::cli
