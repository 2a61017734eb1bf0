#include "cli/commands.h"
#include "config/source_options.h"
#include "doctor/findings.h"
#include "doctor/keys.h"
#include "doctor/repository.h"
#include "doctor/source.h"
#include "doctor/spool.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <iostream>
#include <string>

namespace keyrewind::cli {
namespace {

/// The repository or the copy of that name.
void examine_place(const config::Config& config, const std::string& name,
                   doctor::Findings& findings, const std::stop_token& stop) {
  const bool is_primary = name == config::repository_names(config).front();
  const std::string check = is_primary ? "repository" : "copy " + name;
  findings.look(check, [&] {
    Repository repository(config, name, RepositoryUse{});
    doctor::examine_repository(check, repository.catalog().store(),
                               {.leases = is_primary && config.lease.enabled}, findings, stop);
  });
}

void examine_keys(const config::Config& config, doctor::Findings& findings,
                  const std::stop_token& stop) {
  const std::string primary = config::repository_names(config).front();
  const auto keys = config::to_storage_options(config, primary, config::Identities::if_available);
  Repository repository(config, primary,
                        RepositoryUse{.identities = config::Identities::if_available});
  doctor::examine_keys(repository.catalog(), keys.recipients, keys.identities,
                       config.encryption.allow_plaintext, findings, stop);
}

void print(const doctor::Findings& findings, bool json) {
  if (!json) {
    for (const doctor::Finding& finding : findings.all()) {
      std::cout << fmt::format("{:<8} {:<11} {}\n", to_string(finding.outcome), finding.check,
                               finding.message);
    }
    return;
  }
  nlohmann::ordered_json checks = nlohmann::ordered_json::array();
  for (const doctor::Finding& finding : findings.all()) {
    checks.push_back({{"check", finding.check},
                      {"outcome", to_string(finding.outcome)},
                      {"message", finding.message}});
  }
  std::cout << nlohmann::ordered_json{{"checks", checks}}.dump(2) << '\n';
}

void run(Invocation& invocation) {
  const config::Config config = load_config(invocation.global);
  doctor::Findings findings;
  findings.look("source", [&] {
    doctor::examine_source(config::to_shard_options(config), findings, invocation.stop);
  });
  for (const std::string& name : config::repository_names(config)) {
    examine_place(config, name, findings, invocation.stop);
  }
  findings.look("keys", [&] { examine_keys(config, findings, invocation.stop); });
  findings.look("spool", [&] {
    doctor::examine_spool(config.log.spool.dir, config.log.spool.max_size, findings);
  });
  print(findings, invocation.global.json);
  if (findings.first_problem()) {
    invocation.status = exit_status(*findings.first_problem());
  }
}

}  // namespace

void add_doctor_command(CLI::App& app, Invocation& invocation) {
  auto* command = app.add_subcommand(
      "doctor", "Try what an agent needs of source and stores, and say what is missing");
  command->callback([&invocation] { run(invocation); });
}

}  // namespace keyrewind::cli
