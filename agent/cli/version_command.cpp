#include "base/version.h"
#include "cli/commands.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <iostream>

namespace keyrewind::cli {

void add_version_command(CLI::App& app, Invocation& invocation) {
  auto* command = app.add_subcommand("version", "Show the version of this program");
  command->callback([&invocation] {
    if (invocation.global.json) {
      std::cout << nlohmann::ordered_json{{"version", version()},
                                          {"revision", revision()},
                                          {"compiler", compiler()},
                                          {"format", catalog::kFormatVersion}}
                       .dump(2)
                << '\n';
    } else {
      std::cout << fmt::format("keyrewind {}\n", version());
    }
  });
}

}  // namespace keyrewind::cli
