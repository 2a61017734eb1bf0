#include "copies/copy_missing.h"

#include "catalog/names.h"
#include "catalog/repository.h"
#include "copies/backup_copy.h"
#include "copies/log_copy.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace keyrewind::copies {
namespace {

Error not_there(const store::ObjectStore& store) {
  return {Side::repository, ErrorKind::unavailable,
          fmt::format("{} was a repository and is empty now; is its volume mounted?", store.url())};
}

/// How often the log is compared again because segments were merged meanwhile.
constexpr int kPasses = 5;

void add(CopyReport& report, CopyReport more) {
  report.objects += more.objects;
  report.bytes += more.bytes;
  report.gone = more.gone;
  std::ranges::move(more.problems, std::back_inserter(report.problems));
  if (more.lacks_since && (!report.lacks_since || *more.lacks_since < *report.lacks_since)) {
    report.lacks_since = more.lacks_since;
  }
}

}  // namespace

bool make_ready(const Sides& sides, Make make, const Clock& clock, std::stop_token stop) {
  if (catalog::inspect(sides.from, stop) == catalog::Place::nothing) {
    return false;
  }
  if (make == Make::if_missing) {
    catalog::ensure_repository(sides.to, clock, stop);
  } else if (catalog::inspect(sides.to, stop) == catalog::Place::nothing) {
    throw not_there(sides.to);
  }
  return true;
}

CopyReport copy_missing(const Sides& sides, const CopyOptions& options, const Clock& clock,
                        Progress& progress, std::stop_token stop) {
  if (catalog::inspect(sides.from, stop) == catalog::Place::nothing ||
      sides.from.list(catalog::names::source(options.source), stop).empty()) {
    throw Error(Side::repository, ErrorKind::no_backup,
                fmt::format("there is nothing of '{}' in {}", options.source, sides.from.url()));
  }
  make_ready(sides, Make::if_missing, clock, stop);
  CopyReport report = copy_backups(sides, options, {}, progress, stop);
  for (int pass = 1; pass == 1 || (report.gone != 0 && pass <= kPasses); ++pass) {
    add(report, copy_log(sides, options, {}, progress, stop));
  }
  return report;
}

}  // namespace keyrewind::copies
