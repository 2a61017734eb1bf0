#include "cli/command_tree.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cctype>
#include <utility>

namespace keyrewind::cli {
namespace {

/// The words in braces of "TEXT:{table,json}", as CLI11 writes the values that are allowed.
std::vector<std::string> choices_in(const std::string& type_name) {
  std::vector<std::string> choices;
  const std::size_t begin = type_name.find('{');
  const std::size_t end = type_name.rfind('}');
  if (begin == std::string::npos || end == std::string::npos) {
    return choices;
  }
  std::string word;
  for (const char c : type_name.substr(begin + 1, end - begin - 1) + ",") {
    if (c == ',') {
      choices.push_back(std::exchange(word, {}));
    } else {
      word += c;
    }
  }
  return choices;
}

/// Of "ID" or "file", what a manual shows.
std::string placeholder(std::string name) {
  std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::toupper(c); });
  return name;
}

CommandOption describe(const CLI::Option& option) {
  CommandOption described;
  for (const std::string& name : option.get_snames()) {
    described.names.push_back("-" + name);
  }
  for (const std::string& name : option.get_lnames()) {
    described.names.push_back("--" + name);
  }
  described.description = option.get_description();
  described.choices = choices_in(option.get_type_name());
  described.required = option.get_required();
  described.repeatable = option.get_expected_max() > 1;
  if (described.names.empty()) {
    described.value = placeholder(option.get_name(true));
  } else if (option.get_expected_max() > 0) {
    const std::string type = option.get_type_name();
    const std::string value = type.substr(0, type.find_first_of(":{ "));
    described.value = value.empty() ? "VALUE" : value;
  }
  return described;
}

}  // namespace

CommandTree command_tree(const CLI::App& app) {
  CommandTree tree{app.get_name(), app.get_description(), {}, {}, {}};
  for (const CLI::Option* option : app.get_options()) {
    (option->get_positional() ? tree.arguments : tree.options).push_back(describe(*option));
  }
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (!command->get_description().empty()) {
      tree.commands.push_back(command_tree(*command));
    }
  }
  return tree;
}

}  // namespace keyrewind::cli
