#pragma once

#include "base/secret.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

namespace keyrewind::store {

/// What it takes to read one encrypted object from any chunk on.
struct ObjectKey {
  Secret payload_key;
  std::array<std::byte, 16> nonce{};  ///< Stands before the first chunk; no other object has it.
  std::uint64_t payload_offset = 0;   ///< Where the first chunk begins.
  std::uint64_t bytes = 0;            ///< Of the object as it is stored.
  /// Whether the object is surely the one that this is for: a write whose answer was lost may have
  /// failed, and then the object is somebody else's.
  bool sure = true;
};

/// Keys of objects by name, in memory only; the least recently used are forgotten beyond a limit.
/// All members may be called from any thread.
class KnownKeys {
 public:
  /// About 500 bytes each.
  explicit KnownKeys(std::size_t limit) : limit_(limit) {}

  void remember(const std::string& name, ObjectKey key);
  std::optional<ObjectKey> find(const std::string& name);
  bool contains(const std::string& name) const;
  void forget(const std::string& name);

 private:
  struct Entry {
    std::string name;
    ObjectKey key;
  };

  const std::size_t limit_;
  mutable std::mutex mutex_;  ///< Guards both that follow.
  std::list<Entry> entries_;  ///< The most recently used first.
  std::unordered_map<std::string, std::list<Entry>::iterator> by_name_;
};

}  // namespace keyrewind::store
