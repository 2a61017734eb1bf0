// Completions and manual pages, as the program prints them, in the shells and readers they are for.

#include "support/keyrewind.h"
#include "support/paths.h"
#include "support/process.h"
#include "support/temp_dir.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace keyrewind::test {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsSupersetOf;
using testing::Not;
using testing::UnorderedElementsAre;

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) {
    lines.push_back(line);
  }
  return lines;
}

std::string printed(const std::vector<std::string>& words) {
  std::vector<std::string> command{program_path()};
  command.insert(command.end(), words.begin(), words.end());
  const RunResult result = run(command);
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(result.err, "");
  return result.out;
}

/// The words that `--help` lists below the heading `heading:`, each the first of its line.
std::set<std::string> listed_in_help(const std::vector<std::string>& command,
                                     const std::string& heading) {
  std::vector<std::string> words = command;
  words.push_back("--help");
  std::set<std::string> found;
  bool inside = false;
  for (const std::string& line : lines_of(printed(words))) {
    static const std::regex entry("  (\\S+)(?: .*)?");
    std::smatch match;
    if (!line.starts_with(" ")) {
      inside = line == heading + ":";
    } else if (inside && std::regex_match(line, match, entry)) {
      found.insert(match[1]);
    }
  }
  return found;
}

std::set<std::string> commands() {
  return listed_in_help({}, "Subcommands");
}

/// "-c,--config" of --help as names.
std::set<std::string> long_options(const std::string& command) {
  std::set<std::string> names;
  for (const std::string& entry : listed_in_help({command}, "Options")) {
    if (const std::size_t at = entry.find("--"); at != std::string::npos) {
      names.insert(entry.substr(at));
    }
  }
  return names;
}

class Bash : public testing::Test {
 protected:
  /// What bash offers for the last of these words; "(files)" where it looks for files.
  std::vector<std::string> complete(const std::vector<std::string>& words) const {
    std::string list;
    for (const std::string& word : words) {
      list += " '" + word + "'";
    }
    const RunResult result =
        run({"bash", "-c",
             "source \"$0\"; compopt() { COMPREPLY=('(files)'); }; COMP_WORDS=(keyrewind" + list +
                 "); COMP_CWORD=" + std::to_string(words.size()) +
                 "; _keyrewind; [ ${#COMPREPLY[@]} -eq 0 ] || printf '%s\\n' \"${COMPREPLY[@]}\"",
             (folder_ / "script").string()});
    EXPECT_EQ(result.status, 0);
    EXPECT_EQ(result.err, "");
    return lines_of(result.out);
  }

  void SetUp() override { write_text(folder_ / "script", printed({"completion", "bash"})); }

  TempDir folder_;
};

TEST_F(Bash, OffersEveryCommand) {
  const std::vector<std::string> offered = complete({""});

  EXPECT_EQ(std::set<std::string>(offered.begin(), offered.end()), commands());
  EXPECT_THAT(complete({"back"}), UnorderedElementsAre("backup"));
  EXPECT_THAT(complete({"config", ""}), IsSupersetOf({"check", "show", "schema", "reference"}));
}

TEST_F(Bash, OffersTheOptionsOfACommandAndTheGlobalOnes) {
  const std::vector<std::string> offered = complete({"restore", "--"});

  EXPECT_THAT(offered, IsSupersetOf(long_options("restore")));
  EXPECT_THAT(offered, IsSupersetOf({"--config", "--output", "--verbose"}));
  EXPECT_THAT(offered, Not(Contains("--version")));
}

TEST_F(Bash, OffersWhatAValueMayBe) {
  EXPECT_THAT(complete({"list", "-o", ""}), UnorderedElementsAre("table", "json"));
  EXPECT_THAT(complete({"-o", "js"}), UnorderedElementsAre("json"));
  EXPECT_THAT(complete({"verify", "--level", ""}),
              UnorderedElementsAre("checksum", "parse", "load"));
  EXPECT_THAT(complete({"completion", ""}), UnorderedElementsAre("bash", "zsh", "fish"));
}

TEST_F(Bash, LooksForFilesWhereAValueMayBeAnything) {
  EXPECT_THAT(complete({"-c", ""}), UnorderedElementsAre("(files)"));
  EXPECT_THAT(complete({"restore", "--target", ""}), UnorderedElementsAre("(files)"));
}

TEST(Zsh, OffersCommandsAndOptions) {
  const TempDir folder;
  write_text(folder / "script", printed({"completion", "zsh"}));
  const auto complete = [&](const std::string& words) {
    const RunResult result =
        run({"zsh", "-f", "-c",
             "compdef() {}; _files() { print '(files)' }; compadd() { shift; print -l -- $@ };"
             "_describe() { print -l -- ${(P)@[-1]} };"
             "source \"$0\"; words=(keyrewind " +
                 words + "); CURRENT=${#words}; _keyrewind",
             (folder / "script").string()});
    EXPECT_EQ(result.err, "");
    return lines_of(result.out);
  };

  EXPECT_THAT(complete("''"), Contains("backup:Take a backup now"));
  EXPECT_THAT(complete("list --"), Contains(HasSubstr("--config:")));
  EXPECT_THAT(complete("list -o ''"), UnorderedElementsAre("table", "json"));
  EXPECT_THAT(complete("-c ''"), UnorderedElementsAre("(files)"));
}

TEST(Fish, OffersCommandsAndOptions) {
  const TempDir folder;
  write_text(folder / "script", printed({"completion", "fish"}));
  const auto complete = [&](const std::string& line) {
    const RunResult result =
        run({.command = {"fish", "--no-config", "-c", "source $argv[1]; complete -C $argv[2]",
                         (folder / "script").string(), line},
             .env = {{"HOME", folder.path().string()}}});
    EXPECT_EQ(result.err, "");
    std::vector<std::string> words = lines_of(result.out);
    for (std::string& word : words) {
      word = word.substr(0, word.find('\t'));
    }
    return words;
  };

  EXPECT_THAT(complete("keyrewind "), IsSupersetOf(commands()));
  EXPECT_THAT(complete("keyrewind restore --"), IsSupersetOf(long_options("restore")));
  EXPECT_THAT(complete("keyrewind list -o "), UnorderedElementsAre("table", "json"));
}

TEST(Completion, KnowsThreeShells) {
  const RunResult result = run({program_path(), "completion", "tcsh"});

  EXPECT_EQ(result.status, 2);
  EXPECT_THAT(result.err, HasSubstr("tcsh"));
}

class ManualPage : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override { write_text(file(), printed({"man", GetParam()})); }

  std::string file() const { return (folder_ / GetParam()).string(); }

  /// As a reader sees it, without overstriking.
  std::string text() const {
    const RunResult result = run({.command = {"man", "--warnings", "-l", file()},
                                  .env = {{"MANWIDTH", "200"}, {"LC_ALL", "C.UTF-8"}}});
    EXPECT_EQ(result.status, 0);
    EXPECT_EQ(result.err, "") << "roff warns";
    return result.out;
  }

  TempDir folder_;
};

TEST_P(ManualPage, IsFreeOfWarnings) {
  EXPECT_THAT(text(), HasSubstr("NAME"));

  const RunResult result =
      run(std::vector<std::string>{"groff", "-man", "-Tutf8", "-ww", "-z", file()});
  EXPECT_EQ(result.status, 0);
  EXPECT_EQ(result.err, "");
}

INSTANTIATE_TEST_SUITE_P(Both, ManualPage, testing::Values("keyrewind.1", "keyrewind.yaml.5"),
                         [](const auto& one) {
                           std::string name = one.param;
                           std::ranges::replace(name, '.', '_');
                           return name;
                         });

class ManualOfCommands : public ManualPage {};

TEST_P(ManualOfCommands, HasEveryCommandAndOption) {
  const std::string page = text();

  for (const std::string& command : commands()) {
    EXPECT_THAT(page, HasSubstr("\n   " + command + "\n")) << "no heading for it";
    for (const std::string& option : long_options(command)) {
      EXPECT_THAT(page, HasSubstr(option)) << command;
    }
  }
  EXPECT_THAT(page, HasSubstr("EXIT STATUS"));
}

INSTANTIATE_TEST_SUITE_P(One, ManualOfCommands, testing::Values("keyrewind.1"),
                         [](const auto&) { return "keyrewind_1"; });

class ManualOfConfiguration : public ManualPage {};

TEST_P(ManualOfConfiguration, HasEveryOption) {
  const std::string page = text();
  std::vector<std::string> path;
  int options = 0;
  for (const std::string& line : lines_of(printed({"config", "reference"}))) {
    static const std::regex entry("( *)([a-z0-9_]+):(.*)");
    std::smatch match;
    if (std::regex_match(line, match, entry)) {
      path.resize(static_cast<std::size_t>(match[1].length()) / 2);
      path.push_back(match[2]);
      std::string name;
      for (const std::string& part : path) {
        name += (name.empty() ? "" : ".") + part;
      }
      EXPECT_THAT(page, HasSubstr(match[3].length() == 0 ? name : name + ":"));
      ++options;
    }
  }
  EXPECT_GT(options, 50);
}

INSTANTIATE_TEST_SUITE_P(One, ManualOfConfiguration, testing::Values("keyrewind.yaml.5"),
                         [](const auto&) { return "keyrewind_yaml_5"; });

}  // namespace
}  // namespace keyrewind::test
