#pragma once

#include "base/clock.h"
#include "support/redis_server.h"

#include <cstdint>
#include <string>
#include <vector>

namespace keyrewind::test {

/// The state of a server at one position of its history.
struct Mark {
  std::int64_t offset = 0;  ///< master_repl_offset: stands still until a replica first attaches.
  Timestamp time{};         ///< Later than the last write before it, earlier than the next.
  std::string digest;
  std::vector<std::string> functions;

  /// What the digest leaves out, a line each, sorted: when keys and fields of hashes expire, and
  /// groups of streams with their pending entries.
  std::vector<std::string> facts;
};

/// Marks the present state. Nobody else may write meanwhile, and no key or field may be about to
/// expire: call `let_expire` if there are such.
Mark take_mark(RedisServer& server);

/// Waits until nothing is left that expires within the next hour, so that the state is the same
/// however much later it is looked at again. Throws if that takes a minute. Afterwards the server
/// expires by itself only if `active_expiry`.
void let_expire(RedisServer& server, bool active_expiry);

/// How the server's state differs from the marked one, a line each; nothing if it does not. Offset
/// and time are not compared.
std::vector<std::string> differences(const Mark& mark, RedisServer& server);

}  // namespace keyrewind::test
