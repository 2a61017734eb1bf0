#include "cli/command_tree.h"
#include "cli/commands.h"
#include "cli/man_page.h"
#include "config/load.h"

#include <CLI/CLI.hpp>

#include <iostream>
#include <memory>
#include <string>

namespace keyrewind::cli {

void add_man_command(CLI::App& app) {
  auto page = std::make_shared<std::string>("keyrewind.1");
  auto* command = app.add_subcommand("man", "Print a manual page, for man(1)");
  command->add_option("PAGE", *page, "Which one: keyrewind.1 (the default) or keyrewind.yaml.5")
      ->check(CLI::IsMember({"keyrewind.1", "keyrewind.yaml.5"}));
  command->callback([page, &app] {
    std::cout << (*page == "keyrewind.1" ? command_man_page(command_tree(app), app.get_footer())
                                         : config_man_page(config::reference()));
  });
}

}  // namespace keyrewind::cli
