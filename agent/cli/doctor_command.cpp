#include "base/size.h"
#include "catalog/repository.h"
#include "cli/commands.h"
#include "config/source_options.h"
#include "io/file.h"
#include "replica/connection.h"
#include "replica/nodes.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <iostream>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace keyrewind::cli {
namespace {

using Role = replica::ReplicationInfo::Role;

/// What one check found.
struct Finding {
  std::string check;    ///< "source", "rights", "primary", "repository", "spool".
  std::string outcome;  ///< "ok", "note" or "problem".
  std::string message;
};

/// Looks at everything that an agent needs, one thing after the other, and writes nothing.
class Doctor {
 public:
  Doctor(const Repository& repository, store::ObjectStore& store, std::stop_token stop)
      : config_(repository.config()), store_(store), stop_(std::move(stop)) {}

  void examine() {
    check("source", [&] { examine_source(); });
    check("repository", [&] { examine_repository(); });
    check("spool", [&] { examine_spool(); });
  }

  const std::vector<Finding>& findings() const noexcept { return findings_; }
  /// What the first problem was, for the exit status.
  const std::optional<Error>& first_problem() const noexcept { return first_problem_; }

 private:
  void check(const std::string& name, const std::function<void()>& examine) {
    try {
      examine();
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::cancelled) {
        throw;
      }
      add(name, "problem", error.what());
      if (!first_problem_) {
        first_problem_ = error;
      }
    }
  }

  void add(const std::string& name, const std::string& outcome, const std::string& message) {
    findings_.push_back({name, outcome, message});
  }

  void examine_source() {
    const replica::ShardOptions options = config::to_shard_options(config_);
    const replica::Shard shard = replica::find_nodes(options, stop_);
    for (const replica::Node& node : shard.nodes) {
      add("source", "ok", describe(node));
    }
    for (const std::string& problem : shard.problems) {
      add("source", "note", problem);
    }
    const auto nodes = replica::choose_nodes(shard, options.read_from, std::nullopt);
    if (nodes.empty()) {
      throw Error(Side::source, ErrorKind::unavailable,
                  fmt::format("no node that read_from ({}) allows is healthy",
                              replica::to_string(options.read_from)));
    }
    const replica::Node& node = nodes.front();
    add("source", "ok", fmt::format("the log would be read from {}", to_string(node.address)));
    examine_rights(node, options.source);
    if (node.info.role == Role::primary) {
      examine_primary(node, options.source);
    }
  }

  static std::string describe(const replica::Node& node) {
    if (node.info.position.replid.empty()) {
      return fmt::format("{} answers, but this user may not ask it for its role (+info)",
                         to_string(node.address));
    }
    const bool is_primary = node.info.role == Role::primary;
    return fmt::format(
        "{} is a {}{}, at offset {}", to_string(node.address), is_primary ? "primary" : "replica",
        is_primary || node.info.link_up ? "" : " without its primary", node.info.position.offset);
  }

  void examine_rights(const replica::Node& node, const replica::SourceOptions& source) {
    replica::Connection connection(replica::options_for(source, node.address), stop_);
    connection.call_or_throw({"REPLCONF", "capa", "psync2"});
    connection.call_or_throw({"INFO", "replication"});
    add("rights", "ok",
        fmt::format("{} may run REPLCONF and INFO; PSYNC can only be tried by an agent",
                    replica::user_name(source)));
  }

  /// What it costs to be a replica of a primary (README.md, "Where the log is read").
  void examine_primary(const replica::Node& node, const replica::SourceOptions& source) {
    add("primary", "note",
        "attached to a primary the agent counts as a replica for WAIT, and FAILOVER without TO may "
        "pick it; a replica as source has neither");
    replica::Connection connection(replica::options_for(source, node.address), stop_);
    const resp::Reply reply = connection.call({"CONFIG", "GET", "min-replicas-to-write"});
    const resp::Reply* value = reply.find("min-replicas-to-write");
    if (value == nullptr) {
      add("primary", "note",
          "min-replicas-to-write counts the agent too; this user may not ask for it (+config|get)");
    } else if (value->text != "0") {
      add("primary", "note",
          fmt::format("min-replicas-to-write is {} and counts the agent too; set it to one more",
                      value->text));
    }
  }

  void examine_repository() {
    if (is_to_be_made()) {
      add("repository", "ok", store_.url() + " is not there yet; the first run makes it");
      return;
    }
    const bool there = catalog::inspect(store_, stop_) == catalog::Place::repository;
    add("repository", "ok",
        fmt::format("{} {}", store_.url(),
                    there ? "can be read" : "is empty; the first run makes the repository"));
  }

  /// Whether the repository is a folder that a run would make.
  bool is_to_be_made() const {
    constexpr std::string_view kScheme = "file://";
    const std::string& url = config_.repository.url;
    std::error_code missing;
    const std::filesystem::path folder = url.substr(std::min(kScheme.size(), url.size()));
    return url.starts_with(kScheme) && !std::filesystem::exists(folder, missing) &&
           std::filesystem::is_directory(folder.parent_path(), missing);
  }

  /// The folder itself, or the nearest one above that is there.
  void examine_spool() {
    namespace fs = std::filesystem;
    fs::path folder = config_.log.spool.dir;
    std::error_code missing;
    while (!fs::exists(folder, missing) && folder.has_relative_path()) {
      folder = folder.parent_path();
    }
    const std::uint64_t free = io::free_bytes(folder, Side::here);
    const std::string text =
        fmt::format("{}: {} free for log.spool.max_size of {}", config_.log.spool.dir,
                    to_human_size(free), to_human_size(config_.log.spool.max_size));
    add("spool", free < config_.log.spool.max_size ? "note" : "ok", text);
  }

  const config::Config& config_;
  store::ObjectStore& store_;
  const std::stop_token stop_;
  std::vector<Finding> findings_;
  std::optional<Error> first_problem_;
};

void print(const std::vector<Finding>& findings, bool json) {
  if (!json) {
    for (const Finding& finding : findings) {
      std::cout << fmt::format("{:<8} {:<11} {}\n", finding.outcome, finding.check,
                               finding.message);
    }
    return;
  }
  nlohmann::ordered_json checks = nlohmann::ordered_json::array();
  for (const Finding& finding : findings) {
    checks.push_back(
        {{"check", finding.check}, {"outcome", finding.outcome}, {"message", finding.message}});
  }
  std::cout << nlohmann::ordered_json{{"checks", checks}}.dump(2) << '\n';
}

void run(Invocation& invocation) {
  Repository repository(invocation.global);
  Doctor doctor(repository, repository.catalog().store(), invocation.stop);
  doctor.examine();
  print(doctor.findings(), invocation.global.json);
  if (doctor.first_problem()) {
    invocation.status = exit_status(*doctor.first_problem());
  }
}

}  // namespace

void add_doctor_command(CLI::App& app, Invocation& invocation) {
  auto* command = app.add_subcommand(
      "doctor", "Check what an agent needs and what it costs the source; writes nothing");
  command->callback([&invocation] { run(invocation); });
}

}  // namespace keyrewind::cli
