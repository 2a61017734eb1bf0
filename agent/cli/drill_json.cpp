#include "cli/drill_json.h"

namespace keyrewind::cli {

nlohmann::ordered_json to_json(const catalog::DrillReport& report) {
  return {{"id", report.id},
          {"backup", report.backup},
          {"ok", report.ok},
          {"error", report.error},
          {"at", to_rfc3339(report.at)},
          {"offset", report.offset},
          {"lineage", report.lineage},
          {"server", report.server},
          {"keys", report.keys},
          {"log_bytes", report.log_bytes},
          {"started", to_rfc3339(report.started)},
          {"finished", to_rfc3339(report.finished)},
          {"seconds", static_cast<double>((report.finished - report.started).count()) / 1000.0},
          {"node", report.node}};
}

}  // namespace keyrewind::cli
