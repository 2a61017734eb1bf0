#include "cli/man_page.h"

#include "base/version.h"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>
#include <string>
#include <vector>

namespace keyrewind::cli {
namespace {

constexpr std::size_t kLongestWord = 40;

/// Text in which nothing is a request or an escape of roff.
std::string escaped(std::string_view text) {
  std::string roff;
  std::size_t word = 0;
  for (const char c : text) {
    word = c == ' ' ? 0 : word + 1;
    if (word == kLongestWord) {
      roff += "\\:";  // Here a word may be broken that fits into no line.
      word = 0;
    }
    if (c == '\\') {
      roff += "\\e";
    } else if (c == '-') {
      roff += "\\-";
    } else if (c == '\'' && roff.empty()) {
      roff += "\\(aq";
    } else if (c == '.' && roff.empty()) {
      roff += "\\&.";
    } else {
      roff += c;
    }
  }
  return roff;
}

/// A paragraph as lines of one sentence each, as man pages are written.
std::string sentences(std::string_view text) {
  std::string lines;
  while (!text.empty()) {
    std::size_t end = text.find(". ");
    end = end == std::string_view::npos ? text.size() : end + 1;
    lines += escaped(text.substr(0, end)) + "\n";
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

std::string bold(std::string_view text) {
  return fmt::format("\\fB{}\\fR", escaped(text));
}

std::string italic(std::string_view text) {
  return fmt::format("\\fI{}\\fR", escaped(text));
}

std::string heading(std::string_view name, int section, std::string_view manual) {
  // Without a date: the page is the same whenever it is made.
  // Without hyphens in words and blanks between them: people copy from it.
  return fmt::format(".TH {} {} \"\" \"keyrewind {}\" \"{}\"\n.nh\n.ad l\n", name, section,
                     version(), manual);
}

/// "-c, --config FILE"
std::string usage_of(const CommandOption& option) {
  std::string usage;
  for (const std::string& name : option.names) {
    usage += (usage.empty() ? "" : ", ") + bold(name);
  }
  if (!option.value.empty()) {
    usage += (usage.empty() ? "" : " ") + italic(option.value);
  }
  return usage;
}

std::string described(const CommandOption& option) {
  const char* end = option.description.ends_with('.') ? "" : ".";
  std::string text =
      fmt::format(".TP\n{}\n{}", usage_of(option), sentences(option.description + end));
  if (!option.choices.empty()) {
    std::string words;
    for (const std::string& choice : option.choices) {
      words += (words.empty() ? "" : ", ") + bold(choice);
    }
    text += fmt::format("One of {}.\n", words);
  }
  if (option.repeatable) {
    text += "It may be given more than once.\n";
  }
  return text;
}

std::string synopsis_of(const CommandTree& command, const std::string& words) {
  std::string synopsis = bold(words);
  if (!command.commands.empty()) {
    synopsis += " " + italic("COMMAND");
  }
  const bool has_options = std::ranges::any_of(
      command.options, [](const CommandOption& option) { return option.names.back() != "--help"; });
  if (has_options) {
    synopsis += " [" + italic("OPTIONS") + "]";
  }
  for (const CommandOption& argument : command.arguments) {
    synopsis +=
        argument.required ? " " + italic(argument.value) : " [" + italic(argument.value) + "]";
  }
  return synopsis;
}

void describe_command(const CommandTree& command, const std::string& words, std::string& page) {
  page += fmt::format(".SS {}\n{}\n.PP\n{}", escaped(words), synopsis_of(command, words),
                      sentences(command.description + "."));
  for (const CommandOption& argument : command.arguments) {
    page += described(argument);
  }
  for (const CommandOption& option : command.options) {
    if (option.names.back() != "--help") {
      page += described(option);
    }
  }
  for (const CommandTree& next : command.commands) {
    describe_command(next, words + " " + next.name, page);
  }
}

/// A comment of the reference, without its marks.
std::string_view without_marks(std::string_view line) {
  const std::size_t begin = line.find_first_not_of("# ");
  return begin == std::string_view::npos ? std::string_view() : line.substr(begin);
}

}  // namespace

std::string command_man_page(const CommandTree& root, std::string_view footer) {
  std::string page = heading("KEYREWIND", 1, "User Commands");
  page +=
      ".SH NAME\nkeyrewind \\- continuous backup and point\\-in\\-time recovery for Redis and "
      "Valkey\n";
  page += fmt::format(".SH SYNOPSIS\n{}\n", synopsis_of(root, "keyrewind"));
  page +=
      ".SH DESCRIPTION\n"
      "Keyrewind attaches to a server as a replica would, stores a consistent snapshot and then "
      "every write, and brings any moment back.\n"
      "The configuration is described in\n.BR keyrewind.yaml (5).\n"
      "Results go to standard output, log lines and progress to standard error.\n";
  page += ".SH OPTIONS\nThey may also stand behind a command.\n";
  for (const CommandOption& option : root.options) {
    page += described(option);
  }
  page += ".SH COMMANDS\n";
  for (const CommandTree& command : root.commands) {
    describe_command(command, command.name, page);
  }
  std::string status(footer);
  std::ranges::replace(status, '\n', ' ');
  page += fmt::format(".SH EXIT STATUS\n{}", sentences(status));
  page +=
      ".SH ENVIRONMENT\n.TP\n\\fBKEYREWIND_\\fR\\fIOPTION\\fR\n"
      "Each option of the configuration, by its upper\\-case path joined by two underscores, such "
      "as\n.BR KEYREWIND_REPOSITORY__URL .\n"
      ".TP\n.B KEYREWIND_CONFIG_YAML\nA whole configuration file.\n"
      ".TP\n.B NO_COLOR\nIf set, nothing is printed in colour.\n"
      ".SH FILES\n.TP\n.I /etc/keyrewind/config.yaml\nThe configuration, unless\n.B \\-c\nsays "
      "otherwise.\n"
      ".TP\n.I /var/lib/keyrewind/spool\nWhat has been read of the log and is not in the "
      "repository "
      "yet.\n"
      ".SH SEE ALSO\n.BR keyrewind.yaml (5)\n";
  return page;
}

std::string config_man_page(std::string_view reference) {
  std::string page = heading("KEYREWIND.YAML", 5, "File Formats");
  page += ".SH NAME\nkeyrewind.yaml \\- configuration of keyrewind\n.SH DESCRIPTION\n";
  std::istringstream lines{std::string(reference)};
  std::vector<std::string> path;
  std::string comment;
  bool in_preamble = true;
  for (std::string line; std::getline(lines, line);) {
    const std::string_view text = without_marks(line);
    const std::size_t indent = line.find_first_not_of(' ');
    if (text.empty()) {
      if (in_preamble && !comment.empty()) {
        page += sentences(comment) + (line.empty() ? "" : ".PP\n");
        comment.clear();
      }
      in_preamble = in_preamble && !line.empty();
      continue;
    }
    if (line[indent] == '#') {
      comment += (comment.empty() ? "" : " ") + std::string(text);
      continue;
    }
    const std::size_t colon = text.find(':');
    path.resize(indent / 2);
    path.emplace_back(text.substr(0, colon));
    std::string name;
    for (const std::string& part : path) {
      name += (name.empty() ? "" : ".") + part;
    }
    const bool is_section = colon + 1 == text.size();
    if (is_section) {
      page += fmt::format(".SH {}\n{}", escaped(name), sentences(comment));
    } else {
      page += fmt::format(".TP\n{}:{}\n{}", bold(name), escaped(text.substr(colon + 1)),
                          sentences(comment));
    }
    comment.clear();
  }
  page += ".SH SEE ALSO\n.BR keyrewind (1)\n";
  return page;
}

}  // namespace keyrewind::cli
