#include "doctor/source.h"

#include "base/error.h"
#include "replica/connection.h"

#include <fmt/format.h>

#include <array>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace keyrewind::doctor {
namespace {

using Role = replica::ReplicationInfo::Role;

/// A command, how it is tried without doing anything, and what it is for.
struct Right {
  std::string_view rule;  ///< As ACL SETUSER wants it.
  std::vector<std::string_view> words;
  std::string_view purpose;
  bool required = false;
  bool only_in_cluster = false;
};

/// PSYNC with an offset that is no number gets an error before anything is begun, from every
/// version; without the right it gets NOPERM.
const std::array<Right, 6> kRights{{
    {"+psync", {"PSYNC", "?", "x"}, "reads snapshots and the log", true},
    {"+replconf", {"REPLCONF", "capa", "psync2"}, "reads snapshots and the log", true},
    {"+info", {"INFO", "replication"}, "finds the nodes, and goes on at another one"},
    {"+config|get", {"CONFIG", "GET", "maxmemory"}, "keeps the configuration with each backup"},
    {"+acl|list", {"ACL", "LIST"}, "keeps the users with each backup"},
    {"+cluster|shards", {"CLUSTER", "SHARDS"}, "finds the nodes", false, true},
}};

std::string describe(const replica::Node& node) {
  if (node.info.position.replid.empty()) {
    return fmt::format("{} answers, but this user may not ask it for its role (+info)",
                       to_string(node.address));
  }
  const bool is_primary = node.info.role == Role::primary;
  return fmt::format(
      "{} is a {}{}, at offset {}", to_string(node.address), is_primary ? "primary" : "replica",
      is_primary || node.info.link_up ? "" : " without its primary", node.info.position.offset);
}

/// Whether the node lets this user run the command; nothing if it does not have it.
std::optional<bool> may_run(const replica::SourceOptions& node, const Right& right,
                            const std::stop_token& stop) {
  // A connection for each: after some of them the server takes it for a replica's.
  replica::Connection connection(node, stop);
  if (right.only_in_cluster && connection.greeting().mode != "cluster") {
    return std::nullopt;
  }
  const std::string_view second = right.words.size() > 1 ? right.words[1] : "";
  const resp::Reply reply = right.words.size() == 3
                                ? connection.call({right.words[0], second, right.words[2]})
                                : connection.call({right.words[0], second});
  return !(reply.is_error() && reply.error_code() == "NOPERM");
}

void examine_rights(const replica::SourceOptions& node, Findings& findings,
                    const std::stop_token& stop) {
  const std::string user = replica::user_name(node);
  std::string granted;
  for (const Right& right : kRights) {
    const std::optional<bool> may = may_run(node, right, stop);
    if (!may) {
      continue;
    }
    if (*may) {
      granted += fmt::format("{}{}", granted.empty() ? "" : " ", right.rule);
      continue;
    }
    const std::string message = fmt::format("{} lacks {}, which {}; run: ACL SETUSER {} {}", user,
                                            right.rule, right.purpose, user, right.rule);
    if (right.required) {
      findings.problem("rights", Error(Side::source, ErrorKind::denied, message));
    } else {
      findings.note("rights", message);
    }
  }
  if (!granted.empty()) {
    findings.ok("rights", fmt::format("{} has {}", user, granted));
  }
}

/// What it costs to be a replica of a primary (README.md, "Where the log is read").
void examine_primary(const replica::SourceOptions& node, Findings& findings,
                     const std::stop_token& stop) {
  findings.note("primary",
                "attached to a primary the agent counts as a replica for WAIT, and FAILOVER "
                "without TO may pick it; a replica as source has neither");
  replica::Connection connection(node, stop);
  const resp::Reply reply = connection.call({"CONFIG", "GET", "min-replicas-to-write"});
  const resp::Reply* value = reply.find("min-replicas-to-write");
  if (value == nullptr) {
    findings.note("primary",
                  "min-replicas-to-write counts the agent too; this user may not ask for it "
                  "(+config|get)");
  } else if (value->text != "0") {
    findings.note("primary", fmt::format("min-replicas-to-write is {} and counts the agent too; "
                                         "set it to one more",
                                         value->text));
  }
}

}  // namespace

void examine_source(const replica::ShardOptions& options, Findings& findings,
                    std::stop_token stop) {
  const replica::Shard shard = replica::find_nodes(options, stop);
  for (const replica::Node& node : shard.nodes) {
    findings.ok("source", describe(node));
  }
  for (const std::string& problem : shard.problems) {
    findings.note("source", problem);
  }
  const auto nodes = replica::choose_nodes(shard, options.read_from, std::nullopt);
  if (nodes.empty()) {
    throw Error(Side::source, ErrorKind::unavailable,
                fmt::format("no node that read_from ({}) allows is healthy",
                            replica::to_string(options.read_from)));
  }
  const replica::Node& node = nodes.front();
  const replica::SourceOptions reach = replica::options_for(options.source, node.address);
  findings.ok("source", fmt::format("the log would be read from {}", to_string(node.address)));
  examine_rights(reach, findings, stop);
  if (node.info.role == Role::primary) {
    examine_primary(reach, findings, stop);
  }
}

}  // namespace keyrewind::doctor
