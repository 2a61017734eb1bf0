#pragma once

#include "replica/nodes.h"

#include <mutex>
#include <stop_token>
#include <vector>

namespace keyrewind::daemon {

/// The shard as it was last seen, so that its other nodes are found when the one that the
/// configuration names is gone. Any thread.
class ShardView {
 public:
  /// Finds the nodes of the shard, beginning at the configured address, else at whichever node of
  /// the last time answers. Throws what replica::find_nodes throws if none does.
  replica::Shard look(const replica::ShardOptions& options, std::stop_token stop);

 private:
  void remember(const replica::Shard& shard);

  std::mutex mutex_;
  std::vector<replica::Address> known_;
};

}  // namespace keyrewind::daemon
