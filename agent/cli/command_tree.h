#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace keyrewind::cli {

/// An option, flag or argument of a command.
struct CommandOption {
  std::vector<std::string> names;    ///< "-c", "--config"; none for an argument.
  std::string description;           ///< A sentence.
  std::string value;                 ///< What stands for its value: "TEXT"; empty for a flag.
  std::vector<std::string> choices;  ///< All values that it takes; empty: any.
  bool required = false;
  bool repeatable = false;  ///< It may be given more than once.
};

/// A command with its options and commands, as it was told to CLI11.
struct CommandTree {
  std::string name;
  std::string description;
  std::vector<CommandOption> options{};
  std::vector<CommandOption> arguments{};
  std::vector<CommandTree> commands{};
};

/// What the command line takes, for those who write about it: completions and manual pages.
/// Commands without a description are left out.
CommandTree command_tree(const CLI::App& app);

}  // namespace keyrewind::cli
