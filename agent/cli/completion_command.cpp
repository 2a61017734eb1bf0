#include "cli/command_tree.h"
#include "cli/commands.h"
#include "cli/completion.h"

#include <CLI/CLI.hpp>

#include <iostream>
#include <memory>
#include <string>

namespace keyrewind::cli {

void add_completion_command(CLI::App& app) {
  auto shell = std::make_shared<std::string>();
  auto* command = app.add_subcommand(
      "completion", "Print a script that completes commands and options in your shell");
  command->add_option("SHELL", *shell, "Which shell: bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  command->callback([shell, &app] {
    const CommandTree tree = command_tree(app);
    std::cout << (*shell == "bash"  ? bash_completion(tree)
                  : *shell == "zsh" ? zsh_completion(tree)
                                    : fish_completion(tree));
  });
}

}  // namespace keyrewind::cli
