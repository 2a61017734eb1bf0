#pragma once

#include "cli/command_tree.h"

#include <string>

namespace keyrewind::cli {

/// Scripts that make a shell complete commands, options and the values that are one of a few, and
/// file names wherever else a value may stand. The options of `root` may stand behind any command.
std::string bash_completion(const CommandTree& root);
std::string zsh_completion(const CommandTree& root);
std::string fish_completion(const CommandTree& root);

}  // namespace keyrewind::cli
