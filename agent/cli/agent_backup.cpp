#include "cli/agent_backup.h"

#include "base/progress.h"
#include "cli/agent_client.h"
#include "cli/backup_result.h"
#include "cli/progress_display.h"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <optional>

namespace keyrewind::cli {
namespace {

using nlohmann::ordered_json;

std::uint64_t number(const ordered_json& task, const char* name) {
  const auto found = task.find(name);
  return found != task.end() && found->is_number_unsigned() ? found->get<std::uint64_t>() : 0;
}

void take_over(const ordered_json& task, Progress& progress) {
  progress.bytes = number(task, "done_bytes");
  progress.total_bytes = number(task, "total_bytes");
  progress.keys = number(task, "done_keys");
  progress.total_keys = number(task, "total_keys");
}

}  // namespace

bool backup_by_agent(const config::Config& config, const BackupWish& wish, Invocation& invocation) {
  auto agent = AgentClient::connect(config.http.socket, config.source.name, invocation.stop);
  if (!agent) {
    return false;
  }
  Progress progress;
  const ordered_json body = {{"labels", wish.labels}, {"final", wish.final}, {"force", wish.force}};
  const ordered_json backup = [&] {
    const ProgressDisplay display("backup", progress, invocation.global);
    return agent->run_task(
        "/api/v1/backups", body, [&](const ordered_json& task) { take_over(task, progress); },
        invocation.stop);
  }();
  report(backup, invocation);
  return true;
}

}  // namespace keyrewind::cli
