#pragma once

#include "support/marks.h"
#include "support/redis_server.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace keyrewind::test {

struct WorkloadOptions {
  std::uint64_t seed = 1;
  std::vector<int> databases = {0, 1, 9};
  std::uint64_t keys = 40;  ///< Names of each type in each database.
  /// Keys and fields that expire after some milliseconds, too; else only in years, or at once.
  bool expiries = false;
  bool flushes = false;  ///< FLUSHDB, FLUSHALL and FUNCTION FLUSH, rarely.
  bool swaps = true;     ///< SWAPDB, rarely.
  /// Commands whose effect the server draws by lot or takes from the clock: SPOP, XADD *, scripts.
  /// Without them and `expiries` the same seed gives the same state on the same server.
  bool chance = true;
  bool active_expiry = false;  ///< The server expires by itself, not only what is looked at.
};

/// Writes with every command that writes, at random but by seed: values of all types in several
/// databases, by themselves, in transactions, in scripts and functions. Commands that fail, as on a
/// key of another type, are part of it; one that the server cannot even read throws
/// std::runtime_error, as does a lost connection.
class Workload {
 public:
  /// It must be the only one that writes, and outlived by the server.
  explicit Workload(RedisServer& server, const WorkloadOptions& options = {});
  ~Workload();
  Workload(const Workload&) = delete;
  Workload& operator=(const Workload&) = delete;

  /// Goes on with another server, or with the same one after it was restarted.
  void use(RedisServer& server);

  /// Performs `n` random commands, scripts or transactions.
  void step(std::uint64_t n);

  /// Marks the state. With `expiries` it first waits for what is about to expire.
  Mark mark();

  /// The commands that it draws from, as INFO commandstats names them: "set", "xgroup|create".
  std::vector<std::string> commands() const;

  std::uint64_t sent() const noexcept;    ///< Commands so far, those of a transaction one by one.
  std::uint64_t failed() const noexcept;  ///< How many of the replies were errors.

 private:
  class Writer;
  std::unique_ptr<Writer> writer_;
};

}  // namespace keyrewind::test
