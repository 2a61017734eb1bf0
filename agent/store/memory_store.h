#pragma once

#include "store/object_store.h"

#include <map>
#include <memory>
#include <mutex>
#include <set>

namespace keyrewind::store {

/// Objects in memory: the store of unit tests, held to the same contract as the real ones.
class MemoryStore final : public ObjectStore {
 public:
  MemoryStore();
  ~MemoryStore() override;

  std::string url() const override;
  void create() override;
  bool put_if_absent(const std::string& name, ByteView content, std::stop_token stop) override;
  std::unique_ptr<Upload> upload(const std::string& name, std::stop_token stop) override;
  std::optional<Bytes> get(const std::string& name, std::uint64_t max_bytes,
                           std::stop_token stop) const override;
  void read(const std::string& name, std::uint64_t offset, std::span<std::byte> into,
            std::stop_token stop) const override;
  std::optional<ObjectInfo> head(const std::string& name, std::stop_token stop) const override;
  std::vector<ObjectInfo> list(const std::string& prefix, std::stop_token stop) const override;
  bool empty(std::stop_token stop) const override;
  void remove(const std::string& name, std::stop_token stop) override;
  std::optional<Record> read_record(const std::string& name, std::stop_token stop) const override;
  std::optional<std::string> swap_record(const std::string& name, ByteView content,
                                         const std::optional<std::string>& expected,
                                         std::stop_token stop) override;
  std::size_t remove_abandoned_uploads(const std::string& prefix, const WhichNames& which,
                                       std::stop_token stop) override;
  std::unique_ptr<StoreLock> try_lock(const std::string& name, std::stop_token stop) override;

 private:
  struct State;
  class MemoryUpload;
  class MemoryLock;

  const std::shared_ptr<State> state_;
};

}  // namespace keyrewind::store
