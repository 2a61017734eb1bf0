#include "cli/live_primary.h"

#include "base/log.h"
#include "config/source_options.h"
#include "replica/nodes.h"

namespace keyrewind::cli {
namespace {

bool holds_keys(const replica::SourceOptions& node, const std::stop_token& stop) {
  replica::Connection connection(node, stop);
  const auto reply = connection.call_or_throw({"INFO", "keyspace"});
  return reply.text.find(":keys=") != std::string::npos;
}

}  // namespace

std::optional<std::string> find_live_primary(const config::Config& config, std::stop_token stop) {
  const replica::ShardOptions options = config::to_shard_options(config);
  try {
    for (const replica::Node& node : replica::find_nodes(options, stop).nodes) {
      if (node.info.role == replica::ReplicationInfo::Role::primary &&
          holds_keys(replica::options_for(options.source, node.address), stop)) {
        return to_string(node.address);
      }
    }
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::unavailable) {
      throw;
    }
    log::info("no node of the source answers", {{"error", error.what()}});
  }
  return std::nullopt;
}

}  // namespace keyrewind::cli
