#pragma once

#include "backup/backup_draft.h"
#include "cli/invocation.h"
#include "store/object_store.h"

#include <nlohmann/json.hpp>

#include <map>
#include <stop_token>
#include <string>
#include <vector>

namespace CLI {
class App;
}

/// What the commands that write a backup have in common.
namespace keyrewind::cli {

/// Adds --label, repeatable.
void add_label_option(CLI::App& command, std::vector<std::string>& labels);

/// Of "key=value" each. Throws Error(config) for any other form, and for names that are not the
/// user's.
std::map<std::string, std::string> parse_labels(const std::vector<std::string>& words);

/// Two runs at once are kept apart by conditional writes: says so where there are none.
void warn_of_races(store::ObjectStore& store, const std::stop_token& stop);

/// Prints it, and sets the status if there are warnings.
void report(const backup::BackupResult& result, Invocation& invocation);

/// The same of a backup in the form of -o json: that an agent took.
void report(const nlohmann::ordered_json& backup, Invocation& invocation);

}  // namespace keyrewind::cli
