#pragma once

#include "cli/command_tree.h"

#include <string>
#include <string_view>

namespace keyrewind::cli {

/// keyrewind(1) in man(7)'s macros: every command with its options. `footer` is the paragraph on
/// exit statuses that --help ends with.
std::string command_man_page(const CommandTree& root, std::string_view footer);

/// keyrewind.yaml(5), made of config::reference(): every option with what it means and its default.
std::string config_man_page(std::string_view reference);

}  // namespace keyrewind::cli
