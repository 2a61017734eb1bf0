#pragma once

#include "base/error.h"
#include "config/config.h"
#include "replica/connection.h"
#include "replica/nodes.h"

#include <string>

namespace keyrewind::config {

/// How to reach the source. Reads the password file. Throws Error(config).
replica::SourceOptions to_source_options(const Config& config);

/// The same and how to find the other nodes of its shard.
replica::ShardOptions to_shard_options(const Config& config);

/// An entry of source.sentinel.addresses: an address, or a bare HOST[:PORT], which is reached by
/// `transport` (a Unix socket's counts as TCP). The port is 26379 unless given. Throws
/// Error(config).
replica::Address parse_sentinel_address(const std::string& text,
                                        replica::Address::Transport transport);

}  // namespace keyrewind::config
