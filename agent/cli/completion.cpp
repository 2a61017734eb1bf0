#include "cli/completion.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <functional>
#include <string>
#include <vector>

namespace keyrewind::cli {
namespace {

/// Calls `visit` with every command and the words that lead to it, the root with none.
void for_each_command(
    const CommandTree& tree, const std::vector<std::string>& path,
    const std::function<void(const CommandTree&, const std::vector<std::string>&)>& visit) {
  visit(tree, path);
  for (const CommandTree& command : tree.commands) {
    std::vector<std::string> deeper = path;
    deeper.push_back(command.name);
    for_each_command(command, deeper, visit);
  }
}

std::vector<std::string> names_of(const std::vector<CommandTree>& commands) {
  std::vector<std::string> names;
  for (const CommandTree& command : commands) {
    names.push_back(command.name);
  }
  return names;
}

/// Without the option that every command has by itself: --help.
bool is_help(const CommandOption& option) {
  return !option.names.empty() && option.names.back() == "--help";
}

/// The options of a command, and behind them those of the root, which may follow it.
std::vector<CommandOption> options_at(const CommandTree& command, const CommandTree& root) {
  std::vector<CommandOption> options = command.options;
  if (&command != &root) {
    for (const CommandOption& option : root.options) {
      if (!is_help(option) && option.names.back() != "--version") {
        options.push_back(option);
      }
    }
  }
  return options;
}

/// Within single quotes of a POSIX shell.
std::string in_quotes(const std::string& text) {
  std::string quoted;
  for (const char c : text) {
    quoted += c == '\'' ? "'\\''" : std::string(1, c);
  }
  return quoted;
}

/// Within single quotes of fish.
std::string in_fish_quotes(const std::string& text) {
  std::string quoted;
  for (const char c : text) {
    if (c == '\'' || c == '\\') {
      quoted += '\\';
    }
    quoted += c;
  }
  return quoted;
}

/// What stands before a colon for _describe and _values of zsh.
std::string before_colon(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    if (c == ':' || c == '\\') {
      escaped += '\\';
    }
    escaped += c;
  }
  return in_quotes(escaped);
}

/// The `case` of a shell that says which words lead to which command: bash and zsh share it.
/// `$found` are those found so far, `$word` the next word.
std::string cases_of_commands(const CommandTree& root, const char* indent) {
  std::string cases;
  for_each_command(root, {}, [&](const CommandTree& command, const std::vector<std::string>& path) {
    for (const CommandTree& next : command.commands) {
      std::vector<std::string> deeper = path;
      deeper.push_back(next.name);
      cases += fmt::format("{}'{} {}') found='{}' ;;\n", indent, fmt::join(path, " "), next.name,
                           fmt::join(deeper, " "));
    }
  });
  return cases;
}

/// The options that take a value, as the pattern of a `case`.
std::string pattern_of_values(const std::vector<CommandOption>& options) {
  std::vector<std::string> names;
  for (const CommandOption& option : options) {
    if (!option.value.empty()) {
      names.insert(names.end(), option.names.begin(), option.names.end());
    }
  }
  return names.empty() ? "''" : fmt::format("{}", fmt::join(names, "|"));
}

}  // namespace

std::string bash_completion(const CommandTree& root) {
  std::string script =
      "# bash completion for keyrewind, made by `keyrewind completion bash`.\n"
      "_keyrewind() {\n"
      "  local found='' word previous='' current=\"${COMP_WORDS[COMP_CWORD]}\" i\n"
      "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
      "    word=\"${COMP_WORDS[i]}\"\n"
      "    case \"$found $word\" in\n";
  script += cases_of_commands(root, "      ");
  script +=
      "    esac\n"
      "    previous=\"$word\"\n"
      "  done\n"
      "  COMPREPLY=()\n"
      "  local words=''\n"
      "  case \"$found\" in\n";
  for_each_command(root, {}, [&](const CommandTree& command, const std::vector<std::string>& path) {
    const std::vector<CommandOption> options = options_at(command, root);
    script += fmt::format("    '{}')\n      case \"$previous\" in\n", fmt::join(path, " "));
    std::vector<std::string> words;
    for (const CommandOption& option : options) {
      words.insert(words.end(), option.names.begin(), option.names.end());
      if (!option.choices.empty() && !option.names.empty()) {
        script += fmt::format("        {}) words='{}' ;;\n", fmt::join(option.names, "|"),
                              fmt::join(option.choices, " "));
      }
    }
    script +=
        fmt::format("        {}) compopt -o default; return ;;\n", pattern_of_values(options));
    std::vector<std::string> next = names_of(command.commands);
    for (const CommandOption& argument : command.arguments) {
      next.insert(next.end(), argument.choices.begin(), argument.choices.end());
    }
    script += fmt::format(
        "        *)\n"
        "          if [[ \"$current\" == -* ]]; then words='{}'; else words='{}'; fi ;;\n"
        "      esac ;;\n",
        fmt::join(words, " "), fmt::join(next, " "));
  });
  script +=
      "  esac\n"
      "  if [[ -z \"$words\" ]]; then compopt -o default; return; fi\n"
      "  mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$current\")\n"
      "}\n"
      "complete -F _keyrewind keyrewind\n";
  return script;
}

std::string zsh_completion(const CommandTree& root) {
  std::string script =
      "#compdef keyrewind\n"
      "# zsh completion for keyrewind, made by `keyrewind completion zsh`.\n"
      "_keyrewind() {\n"
      "  local found='' word previous='' i\n"
      "  local -a commands options\n"
      "  for ((i = 2; i < CURRENT; i++)); do\n"
      "    word=\"${words[i]}\"\n"
      "    case \"$found $word\" in\n";
  script += cases_of_commands(root, "      ");
  script +=
      "    esac\n"
      "    previous=\"$word\"\n"
      "  done\n"
      "  case \"$found\" in\n";
  for_each_command(root, {}, [&](const CommandTree& command, const std::vector<std::string>& path) {
    const std::vector<CommandOption> options = options_at(command, root);
    script += fmt::format("    '{}')\n      case \"$previous\" in\n", fmt::join(path, " "));
    for (const CommandOption& option : options) {
      if (!option.choices.empty() && !option.names.empty()) {
        script += fmt::format("        {}) compadd -- {}; return ;;\n",
                              fmt::join(option.names, "|"), fmt::join(option.choices, " "));
      }
    }
    script +=
        fmt::format("        {}) _files; return ;;\n      esac\n", pattern_of_values(options));
    for (const CommandTree& next : command.commands) {
      script += fmt::format("      commands+=('{}:{}')\n", before_colon(next.name),
                            in_quotes(next.description));
    }
    for (const CommandOption& argument : command.arguments) {
      for (const std::string& choice : argument.choices) {
        script += fmt::format("      commands+=('{}')\n", before_colon(choice));
      }
    }
    for (const CommandOption& option : options) {
      for (const std::string& name : option.names) {
        script += fmt::format("      options+=('{}:{}')\n", before_colon(name),
                              in_quotes(option.description));
      }
    }
    script += "      ;;\n";
  });
  script +=
      "  esac\n"
      "  if [[ \"${words[CURRENT]}\" == -* ]]; then\n"
      "    _describe -o option options\n"
      "  elif (( ${#commands} )); then\n"
      "    _describe command commands\n"
      "  else\n"
      "    _files\n"
      "  fi\n"
      "}\n"
      "if [[ \"$funcstack[1]\" == _keyrewind ]]; then _keyrewind \"$@\"; else compdef _keyrewind "
      "keyrewind; fi\n";
  return script;
}

std::string fish_completion(const CommandTree& root) {
  std::string script =
      "# fish completion for keyrewind, made by `keyrewind completion fish`.\n"
      "complete -c keyrewind -e\n";
  const std::vector<std::string> verbs = names_of(root.commands);
  for_each_command(root, {}, [&](const CommandTree& command, const std::vector<std::string>& path) {
    std::string condition;
    for (const std::string& word : path) {
      condition +=
          fmt::format("{}__fish_seen_subcommand_from {}", condition.empty() ? "" : "; and ", word);
    }
    const std::string when = condition.empty() ? "" : fmt::format(" -n '{}'", condition);
    // A command is offered until one of its neighbours stands there.
    const std::string before = fmt::format(
        "{}{}not __fish_seen_subcommand_from {}", condition, condition.empty() ? "" : "; and ",
        fmt::join(path.empty() ? verbs : names_of(command.commands), " "));
    for (const CommandTree& next : command.commands) {
      script += fmt::format("complete -c keyrewind -n '{}' -f -a '{}' -d '{}'\n", before, next.name,
                            in_fish_quotes(next.description));
    }
    for (const CommandOption& argument : command.arguments) {
      if (!argument.choices.empty()) {
        script +=
            fmt::format("complete -c keyrewind{} -f -a '{}' -d '{}'\n", when,
                        fmt::join(argument.choices, " "), in_fish_quotes(argument.description));
      }
    }
    for (const CommandOption& option : command.options) {
      script += "complete -c keyrewind" + when;
      for (const std::string& name : option.names) {
        script += name.starts_with("--") ? fmt::format(" -l {}", name.substr(2))
                                         : fmt::format(" -s {}", name.substr(1));
      }
      if (!option.choices.empty()) {
        script += fmt::format(" -x -a '{}'", fmt::join(option.choices, " "));
      } else if (!option.value.empty()) {
        script += " -r -F";
      }
      script += fmt::format(" -d '{}'\n", in_fish_quotes(option.description));
    }
  });
  return script;
}

}  // namespace keyrewind::cli
