#include "daemon/shard_view.h"

#include "base/error.h"

#include <utility>

namespace keyrewind::daemon {

replica::Shard ShardView::look(const replica::ShardOptions& options, std::stop_token stop) {
  std::vector<replica::Address> others;
  {
    const std::lock_guard lock(mutex_);
    others = known_;
  }
  try {
    replica::Shard shard = replica::find_nodes(options, stop);
    remember(shard);
    return shard;
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::cancelled || options.read_from == replica::ReadFrom::this_node) {
      throw;
    }
    for (const replica::Address& address : others) {
      if (address == options.source.address) {
        continue;
      }
      replica::ShardOptions elsewhere = options;
      elsewhere.source = replica::options_for(options.source, address);
      try {
        replica::Shard shard = replica::find_nodes(elsewhere, stop);
        shard.problems.insert(shard.problems.begin(), error.what());
        remember(shard);
        return shard;
      } catch (const Error& other) {
        if (other.kind() == ErrorKind::cancelled) {
          throw;
        }
      }
    }
    throw;
  }
}

void ShardView::remember(const replica::Shard& shard) {
  const std::lock_guard lock(mutex_);
  known_.clear();
  for (const replica::Node& node : shard.nodes) {
    known_.push_back(node.address);
  }
}

}  // namespace keyrewind::daemon
