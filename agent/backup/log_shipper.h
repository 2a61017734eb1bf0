#pragma once

#include "backup/durable_point.h"
#include "backup/spool.h"
#include "base/clock.h"
#include "base/error.h"
#include "catalog/segment.h"
#include "metrics/agent_metrics.h"
#include "store/lease.h"
#include "store/object_store.h"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

namespace keyrewind::backup {

struct ShipperOptions {
  std::string source;
  std::string shard;
  int compression_level = 1;
  bool allow_plaintext = false;  ///< Though what the repository has of the source is encrypted.
  /// The lease of the shard, which must outlive the shipper: nothing is written while it is not
  /// ours. Without one the shipper takes the shard's agent lock.
  const store::Lease* lease = nullptr;
  /// Told of each segment and event that the repository has got.
  std::function<void(const std::string& object)> stored{};
  /// Told when the newest byte that the repository has of the log had arrived.
  std::function<void(Timestamp arrived)> durable{};
  std::chrono::milliseconds first_pause{500};  ///< Before a repository that failed is tried again …
  std::chrono::milliseconds longest_pause{10000};  ///< … growing to this.
};

/// Carries sealed journals and events from the spool to the repository, in order and for ever.
///
/// A repository that fails is tried again, later and later up to half a minute; it is said once
/// when that begins and once when it ends. What was stored before a crash is recognised.
class LogShipper {
 public:
  /// All arguments must outlive the shipper.
  LogShipper(store::ObjectStore& store, Spool& spool, DurablePoint& durable, ShipperOptions options,
             metrics::AgentMetrics& metrics, const Clock& clock);

  /// Ships until `stop` is requested. Throws Error(busy) if another agent ships this shard and
  /// there is no lease, and Error(failed) if the spool itself is broken.
  void run(std::stop_token stop);

  /// Whether it may write, and the repository works. Any thread.
  bool working() const { return working_ && may_write(); }

  /// Called when a journal does not follow the log that the repository has; it has been dropped,
  /// and the stream must be read again from the repository's end or anew.
  void on_break(std::function<void(const std::string& lineage)> broken) {
    broken_ = std::move(broken);
  }

 private:
  /// Where a lineage's log in the repository ends, and the hash chain there.
  struct ChainEnd {
    std::int64_t offset = 0;
    catalog::Digest chain{};
  };

  bool may_write() const;
  void wait_for_lease(const std::stop_token& stop) const;
  void open(std::stop_token stop);
  void take_lock(const std::stop_token& stop);
  void find_generation(const std::stop_token& stop);
  void ship_events(std::stop_token stop);
  void ship(const Spool::Sealed& sealed, bool again, std::stop_token stop);
  std::optional<ChainEnd> find_chain_end(const std::string& lineage, std::stop_token stop);
  std::optional<ChainEnd> already_stored(const Spool::Sealed& sealed, const ChainEnd& before,
                                         std::stop_token stop);
  void drop(const Spool::Sealed& sealed);
  void tell_stored(const std::string& object) const;
  void note_durable(const std::string& lineage, std::int64_t offset, Timestamp arrived);
  void note_success();
  void note_failure(const Error& error);

  store::ObjectStore& store_;
  Spool& spool_;
  DurablePoint& durable_;
  const ShipperOptions options_;
  metrics::AgentMetrics& metrics_;
  const Clock& clock_;
  std::function<void(const std::string&)> broken_;
  std::unique_ptr<store::StoreLock> lock_;
  bool opened_ = false;  ///< And what earlier processes left is cleared away.
  std::uint64_t generation_ = 0;
  std::map<std::string, ChainEnd> ends_;
  std::atomic<bool> working_{false};
  bool failing_ = false;  ///< The last call to the repository did.
};

}  // namespace keyrewind::backup
