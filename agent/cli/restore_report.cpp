#include "cli/restore_report.h"

#include "base/clock.h"
#include "base/size.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <chrono>
#include <cstdint>
#include <iostream>

namespace keyrewind::cli {
namespace {

/// "about 3s": no fractions of what is a guess.
std::string about(std::uint64_t seconds) {
  return seconds < 60 ? fmt::format("about {}s", seconds)
                      : "about " + to_human(std::chrono::seconds(seconds));
}

}  // namespace

void Teller::say(const std::string& line) const {
  if (!json_) {
    std::cout << line << std::endl;  // An init container's log is read while it works.
  }
}

void Teller::finish(const nlohmann::ordered_json& object) const {
  if (json_) {
    std::cout << object.dump(2) << '\n';
  }
}

nlohmann::ordered_json to_json(const restore::RestorePlan& plan, const restore::RestorePoint& point,
                               const std::string& outcome) {
  const catalog::Commit& commit = point.base.commit;
  return {{"outcome", outcome},
          {"backup", commit.id},
          {"created", to_rfc3339(commit.created)},
          {"at", to_rfc3339(point.at)},
          {"offset", point.offset},
          {"lineage", point.window.lineage},
          {"target", plan.target.string()},
          {"layout", to_string(plan.layout)},
          {"files", plan.files},
          {"old_data", plan.old_data},
          {"keys", commit.keys},
          {"bytes", plan.bytes},
          {"stored_bytes", plan.stored_bytes},
          {"segments", plan.segments},
          {"log_bytes", plan.log_bytes},
          {"estimated_seconds", plan.estimated_seconds},
          {"needs", plan.needs},
          {"objections", plan.objections},
          {"notes", plan.notes}};
}

void describe(const restore::RestorePlan& plan, const restore::RestorePoint& point,
              const std::string& repository, const Teller& teller) {
  const catalog::Commit& commit = point.base.commit;
  teller.say(fmt::format("backup   {} of {}, taken {} from {}, in {}", commit.id, commit.source,
                         to_rfc3339(commit.created), commit.server, repository));
  if (point.needs_log()) {
    teller.say(fmt::format("moment   {}, offset {} of lineage {}", to_rfc3339(point.at),
                           point.offset, point.window.lineage));
    teller.say(fmt::format("log      {} from {} segment{}", to_human_size(plan.log_bytes),
                           plan.segments, plan.segments == 1 ? "" : "s"));
  }
  teller.say(fmt::format("data     {}, {} of RDB, {} to fetch, {}",
                         commit.opaque ? "keys not counted" : fmt::format("{} keys", commit.keys),
                         to_human_size(plan.bytes - plan.log_bytes),
                         to_human_size(plan.stored_bytes), about(plan.estimated_seconds)));
  teller.say(fmt::format("target   {}, layout {} ({})", plan.target.string(),
                         to_string(plan.layout), plan.layout_reason));
  for (const std::string& file : plan.files) {
    teller.say("  " + file);
  }
  if (!plan.old_data.empty()) {
    teller.say(fmt::format("moved    {} to .keyrewind-old-*/", fmt::join(plan.old_data, ", ")));
  }
  for (const std::string& note : plan.notes) {
    teller.say("note     " + note);
  }
}

}  // namespace keyrewind::cli
