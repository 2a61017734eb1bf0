#include "daemon/quotas.h"

#include "base/error.h"
#include "base/log.h"
#include "base/size.h"
#include "catalog/imports.h"
#include "policy/quota.h"
#include "policy/sync_guard.h"

#include <fmt/format.h>

#include <optional>

namespace keyrewind::daemon {
namespace {

bool is_of_person(const catalog::Commit& commit) {
  return commit.origin.trigger == catalog::Trigger::manual ||
         commit.origin.trigger == catalog::Trigger::final;
}

}  // namespace

void check_quotas(const std::vector<catalog::Commit>& backups, std::uint64_t stored,
                  const Quotas& quotas, Timestamp now) {
  std::vector<Timestamp> manual;
  for (const catalog::Commit& commit : backups) {
    if (is_of_person(commit)) {
      manual.push_back(commit.created);
    }
  }
  if (const auto next = policy::wait_for_manual_quota(manual, quotas.manual_per_24h, now)) {
    throw Error(ErrorKind::busy,
                fmt::format("quotas.manual_per_24h ({}) is used up; the next backup may be at {}",
                            quotas.manual_per_24h, to_rfc3339(*next)));
  }
  const policy::Fill fill = policy::fill_of(stored, quotas.max_stored);
  if (!policy::may_store(fill, policy::Asker::person)) {
    throw Error(ErrorKind::busy,
                fmt::format("{} are stored, and quotas.max_stored is {}; remove backups, or keep "
                            "fewer of them",
                            to_human_size(stored), to_human_size(quotas.max_stored)));
  }
  if (fill == policy::Fill::warn) {
    log::warn("repository is nearly full",
              {{"stored_bytes", stored}, {"max_stored", quotas.max_stored}});
  }
}

void check_floor(const std::vector<catalog::Commit>& backups, std::chrono::milliseconds floor,
                 Timestamp now) {
  std::optional<Timestamp> last;
  for (const catalog::Commit& commit : backups) {
    if (!catalog::is_import(commit) && commit.created <= now && (!last || commit.created > *last)) {
      last = commit.created;
    }
  }
  if (const auto until = policy::floor_ends(last, floor, now)) {
    throw Error(ErrorKind::busy,
                fmt::format("the last full sync is only {} old; by quotas.full_sync_min_interval "
                            "the next may be at {}, or with --force",
                            to_human(now - *last), to_rfc3339(*until)));
  }
}

}  // namespace keyrewind::daemon
