#include "cli/config_command.h"

#include "config/load.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <functional>
#include <iostream>
#include <utility>

namespace keyrewind::cli {
namespace {

void check(const GlobalOptions& global) {
  const auto environment = config::environment_of_process();
  config::load(global.config_file, environment);
  const std::string origin = config::origin(global.config_file, environment);
  if (global.json) {
    std::cout << nlohmann::ordered_json{{"configuration", origin}, {"ok", true}}.dump(2) << '\n';
  } else {
    std::cout << fmt::format("{}: ok\n", origin);
  }
}

void show(const GlobalOptions& global) {
  const auto loaded = config::load(global.config_file, config::environment_of_process());
  std::cout << (global.json ? config::to_json(loaded) : config::to_yaml(loaded));
}

}  // namespace

void add_config_command(CLI::App& app, const GlobalOptions& global) {
  auto* command = app.add_subcommand("config", "Check, show and document the configuration");
  command->require_subcommand(1);
  command->fallthrough();  // -c and -o may stand behind the verb.
  const auto add_verb = [command](const char* name, const char* description,
                                  std::function<void()> run) {
    auto* verb = command->add_subcommand(name, description);
    verb->fallthrough();
    verb->callback(std::move(run));
  };

  add_verb("check", "Find all mistakes without contacting source or repository",
           [&global] { check(global); });
  add_verb("show", "Print the configuration in force, secrets as ****",
           [&global] { show(global); });
  add_verb("schema", "Print the JSON Schema of the configuration file, for editors",
           [] { std::cout << config::schema(); });
  add_verb("reference", "Print every option with its default and what it means",
           [] { std::cout << config::reference(); });
}

}  // namespace keyrewind::cli
