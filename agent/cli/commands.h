#pragma once

#include "cli/invocation.h"

namespace CLI {
class App;
}

namespace keyrewind::cli {

/// Each adds one subcommand to `app`, which CLI11 runs while it parses the command line.
/// `invocation` must outlive `app`.
void add_agent_command(CLI::App& app, Invocation& invocation);
void add_backup_command(CLI::App& app, Invocation& invocation);
void add_schedule_command(CLI::App& app, Invocation& invocation);
void add_list_command(CLI::App& app, Invocation& invocation);
void add_show_command(CLI::App& app, Invocation& invocation);
void add_timeline_command(CLI::App& app, Invocation& invocation);
void add_restore_command(CLI::App& app, Invocation& invocation);
void add_restore_request_command(CLI::App& restore, Invocation& invocation);
void add_verify_command(CLI::App& app, Invocation& invocation);
void add_drill_command(CLI::App& app, Invocation& invocation);
void add_copy_command(CLI::App& app, Invocation& invocation);
void add_prune_command(CLI::App& app, Invocation& invocation);
void add_delete_command(CLI::App& app, Invocation& invocation);
void add_lock_command(CLI::App& app, Invocation& invocation);
void add_unlock_command(CLI::App& app, Invocation& invocation);
void add_export_command(CLI::App& app, Invocation& invocation);
void add_import_command(CLI::App& app, Invocation& invocation);
void add_doctor_command(CLI::App& app, Invocation& invocation);
void add_support_command(CLI::App& app, Invocation& invocation);
void add_version_command(CLI::App& app, Invocation& invocation);

/// Those two print what was told to `app`, by all commands that it has when they run.
void add_completion_command(CLI::App& app);
void add_man_command(CLI::App& app);

}  // namespace keyrewind::cli
