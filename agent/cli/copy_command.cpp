#include "base/log.h"
#include "base/size.h"
#include "catalog/hold.h"
#include "cli/commands.h"
#include "cli/progress_display.h"
#include "copies/copy_missing.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <iostream>
#include <memory>
#include <string>
#include <vector>

namespace keyrewind::cli {
namespace {

struct CopyArguments {
  std::string from = config::Config::kPrimary;
  std::string to;
  bool all = false;
};

/// The repositories to copy to. The primary is one only if it is asked for by name.
std::vector<std::string> targets_of(const CopyArguments& arguments, const config::Config& config) {
  static_cast<void>(config::find_repository(config, arguments.from));
  if (!arguments.to.empty()) {
    static_cast<void>(config::find_repository(config, arguments.to));
    if (arguments.to == arguments.from) {
      throw Error(ErrorKind::config, fmt::format("--from and --to both name {}", arguments.from));
    }
    return {arguments.to};
  }
  if (arguments.from != config::Config::kPrimary && !arguments.all) {
    throw Error(
        ErrorKind::config,
        fmt::format("where shall {} be copied to? say --to primary, for instance", arguments.from));
  }
  std::vector<std::string> targets;
  for (const config::Config::Repository& copy : config.copies) {
    if (copy.name != arguments.from) {
      targets.push_back(copy.name);
    }
  }
  if (targets.empty()) {
    throw Error(ErrorKind::config, "there is nowhere to copy to; name a repository under copies");
  }
  return targets;
}

/// One pass from `from` to one target, with what is to be said of it.
class CopyRun {
 public:
  CopyRun(Repository& from, const config::Config& config, flow::RateLimit& upload_limit,
          Invocation& invocation)
      : from_(from), config_(config), upload_limit_(upload_limit), invocation_(invocation) {}

  nlohmann::ordered_json copy_to(const std::string& name) {
    Repository to(config_, name, {.upload_limit = &upload_limit_});
    const copies::CopyReport report = copy(to);
    for (const Error& problem : report.problems) {
      log::error("object not copied", {{"repository", name}, {"error", problem.what()}});
      invocation_.status = exit_status(problem);
    }
    // Of a primary that is brought back this is no news.
    if (report.newer_in_target && from_.name() == config::Config::kPrimary) {
      log::warn(
          "the copy has a newer backup than the primary repository; if that was lost, 'keyrewind "
          "copy --from NAME --to primary' brings it back",
          {{"repository", name}, {"backup", *report.newer_in_target}});
      if (invocation_.status == ExitStatus::ok) {
        invocation_.status = ExitStatus::warnings;
      }
    }
    if (!invocation_.global.json) {
      std::cout << to_line(name, report) << '\n';
    }
    return to_json(name, report);
  }

 private:
  copies::CopyReport copy(Repository& to) {
    const copies::Sides sides{from_.catalog().store().stored(), to.catalog().store().stored()};
    const copies::CopyOptions options{.source = config_.source.name,
                                      .connections = static_cast<std::size_t>(
                                          config::find_repository(config_, to.name()).connections),
                                      .tidy = to.name() != config::Config::kPrimary};
    const SystemClock clock;
    const catalog::ReadHold hold(from_.catalog(), {.by = "copy"}, clock, invocation_.stop);
    Progress progress;
    const ProgressDisplay display("copy", progress, invocation_.global);
    return copies::copy_missing(sides, options, clock, progress, invocation_.stop);
  }

  static std::string to_line(const std::string& name, const copies::CopyReport& report) {
    const std::string left =
        report.problems.empty()
            ? "it has everything"
            : fmt::format("{} damaged objects were not copied", report.problems.size());
    return fmt::format("{}: {} objects copied, {}; {}", name, report.objects,
                       to_human_size(report.bytes), left);
  }

  nlohmann::ordered_json to_json(const std::string& name, const copies::CopyReport& report) const {
    auto problems = nlohmann::ordered_json::array();
    for (const Error& problem : report.problems) {
      problems.push_back(problem.what());
    }
    return {{"repository", name},        {"from", from_.name()},  {"ok", report.problems.empty()},
            {"objects", report.objects}, {"bytes", report.bytes}, {"problems", problems}};
  }

  Repository& from_;
  const config::Config& config_;
  flow::RateLimit& upload_limit_;
  Invocation& invocation_;
};

/// One target that fails does not keep the others from their turn.
void run(const CopyArguments& arguments, Invocation& invocation) {
  const config::Config config = load_config(invocation.global);
  const std::vector<std::string> targets = targets_of(arguments, config);
  flow::RateLimit upload_limit(config.quotas.upload_rate);
  Repository from(config, arguments.from, {.upload_limit = &upload_limit});
  CopyRun copies(from, config, upload_limit, invocation);
  auto rows = nlohmann::ordered_json::array();
  for (const std::string& target : targets) {
    try {
      rows.push_back(copies.copy_to(target));
    } catch (Error& error) {
      error.add_context(fmt::format("copy {} to {}", arguments.from, target));
      if (targets.size() == 1 || error.kind() == ErrorKind::cancelled ||
          error.kind() == ErrorKind::no_backup) {
        throw;
      }
      log::error("copy failed", {{"repository", target}, {"error", error.what()}});
      rows.push_back({{"repository", target},
                      {"from", arguments.from},
                      {"ok", false},
                      {"error", error.what()}});
      invocation.status = exit_status(error);
    }
  }
  if (invocation.global.json) {
    std::cout << nlohmann::ordered_json{{"copies", rows}}.dump(2) << '\n';
  }
}

}  // namespace

void add_copy_command(CLI::App& app, Invocation& invocation) {
  auto arguments = std::make_shared<CopyArguments>();
  auto* command = app.add_subcommand("copy", "Bring what one repository lacks from another");
  command
      ->add_option("--from", arguments->from,
                   "Where to copy from: primary, or the name of one of copies")
      ->capture_default_str();
  auto* to = command->add_option("--to", arguments->to,
                                 "Where to copy to: likewise; without it, to all copies");
  command->add_flag("--all", arguments->all, "To all copies")->excludes(to);
  command->callback([arguments, &invocation] { run(*arguments, invocation); });
}

}  // namespace keyrewind::cli
