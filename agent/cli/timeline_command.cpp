#include "base/log.h"
#include "cli/commands.h"
#include "cli/log_search.h"
#include "cli/progress_display.h"
#include "cli/timeline_view.h"
#include "restore/moment.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace keyrewind::cli {
namespace {

constexpr std::size_t kPlainWidth = 80;
constexpr std::size_t kMostMatches = 1'000'000;

struct TimelineArguments {
  std::string from;
  std::string until;
  std::optional<std::string> find;
  std::size_t limit = 100;
};

std::optional<Timestamp> parse_time(const std::string& option, const std::string& text) {
  if (text.empty()) {
    return std::nullopt;
  }
  try {
    const restore::Moment moment = restore::parse_moment(text);
    if (moment.kind == restore::Moment::Kind::time) {
      return moment.time;
    }
  } catch (const Error&) {
    // That names forms which do not count here.
  }
  throw Error(ErrorKind::config,
              fmt::format("{} '{}' is not a time; write it as 2026-11-20T13:02:21Z or "
                          "2026-11-20T14:02:21.123+01:00",
                          option, text));
}

api::TimeSpan span_of(const TimelineArguments& arguments) {
  const api::TimeSpan span{parse_time("--from", arguments.from),
                           parse_time("--until", arguments.until)};
  if (span.from && span.until && *span.from > *span.until) {
    throw Error(ErrorKind::config, "--from is later than --until");
  }
  return span;
}

std::size_t width_of_stdout() {
  winsize size{};
  const bool is_terminal = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return is_terminal ? size.ws_col : kPlainWidth;
}

/// The JSON, in which what is not UTF-8 is replaced.
void print(const nlohmann::ordered_json& json) {
  std::cout << json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << '\n';
}

void show(const std::string& source, const catalog::Timeline& timeline, const api::TimeSpan& span,
          std::uint64_t calls, bool json) {
  log::debug("timeline read", {{"store_calls", calls}});
  if (json) {
    auto document = api::to_json(source, timeline);
    document["store_calls"] = calls;
    print(document);
  } else {
    std::cout << to_text(source, timeline, span, width_of_stdout());
  }
}

/// What is wrong with the timeline is wrong with the search, too: commands may be missing from it.
LogSearch search(const catalog::Catalog& catalog, const catalog::Timeline& timeline,
                 const LogPattern& pattern, const api::TimeSpan& span, std::size_t limit,
                 const Invocation& invocation) {
  Progress progress;
  const ProgressDisplay display("search", progress, invocation.global);
  LogSearch found = search_log(catalog, timeline, pattern, span, limit, progress, invocation.stop);
  found.problems.insert(found.problems.begin(), timeline.problems.begin(), timeline.problems.end());
  return found;
}

void run(const TimelineArguments& arguments, Invocation& invocation) {
  const api::TimeSpan span = span_of(arguments);
  const auto pattern = arguments.find ? std::optional<LogPattern>(*arguments.find) : std::nullopt;
  Repository repository(invocation.global, config::Identities::if_available);
  const std::string& source = repository.config().source.name;
  const catalog::Catalog& catalog = repository.catalog();
  // A search reads the data itself, which takes the indexes.
  const auto timeline = api::cut(pattern ? catalog::read_timeline(catalog, invocation.stop)
                                         : catalog::read_outline(catalog, invocation.stop),
                                 span);
  bool has_problems = !timeline.problems.empty();
  if (pattern) {
    const LogSearch found = search(catalog, timeline, *pattern, span, arguments.limit, invocation);
    has_problems = !found.problems.empty();
    if (invocation.global.json) {
      print(to_json(source, found));
    } else {
      std::cout << to_text(found);
    }
  } else {
    show(source, timeline, span, repository.store_calls(), invocation.global.json);
  }
  if (has_problems) {
    invocation.status = ExitStatus::warnings;
  }
}

}  // namespace

void add_timeline_command(CLI::App& app, Invocation& invocation) {
  auto arguments = std::make_shared<TimelineArguments>();
  auto* command = app.add_subcommand(
      "timeline", "Show to which moments the source can be restored, and what happened when");
  command->add_option("--from", arguments->from,
                      "Nothing before this time, such as 2026-11-20T13:02:21Z");
  command->add_option("--until", arguments->until, "Nothing after this time");
  auto* find = command->add_option(
      "--find", arguments->find,
      "Instead, search the log. 'DEL user:*' finds the commands called DEL of which a word matches "
      "user:*; a single word finds the commands called so (FLUSHALL) and those of which a word "
      "matches it (user:*). Patterns are those of KEYS; the name may be one, and its capitals do "
      "not count. Any word behind the name may match, be it a key or not, among the first 64 of a "
      "command and the first 1024 bytes of each. Keys that match are printed");
  command->add_option("--limit", arguments->limit, "The most commands that --find shows")
      ->check(CLI::Range(std::size_t{1}, kMostMatches))
      ->capture_default_str()
      ->needs(find);
  add_repository_option(*command, invocation.global);
  command->callback([arguments, &invocation] { run(*arguments, invocation); });
}

}  // namespace keyrewind::cli
