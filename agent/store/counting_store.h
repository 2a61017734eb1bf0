#pragma once

#include "store/object_store.h"

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

namespace keyrewind::store {

/// A store that passes everything on to another and counts how often it was asked.
class CountingStore final : public ObjectStore {
 public:
  /// `inner` must outlive this store and its uploads.
  explicit CountingStore(ObjectStore& inner) : inner_(inner) {}

  /// Calls so far; of an upload its beginning alone, of many names that are removed together one.
  std::uint64_t calls() const noexcept { return calls_; }

  std::string url() const override { return inner_.url(); }
  void create() override;
  bool put_if_absent(const std::string& name, ByteView content, std::stop_token stop) override;
  std::unique_ptr<Upload> upload(const std::string& name, std::stop_token stop) override;
  std::optional<Bytes> get(const std::string& name, std::uint64_t max_bytes,
                           std::stop_token stop) const override;
  void read(const std::string& name, std::uint64_t offset, std::span<std::byte> into,
            std::stop_token stop) const override;
  std::optional<ObjectInfo> head(const std::string& name, std::stop_token stop) const override;
  std::vector<ObjectInfo> list(const std::string& prefix, std::stop_token stop) const override;
  void visit(const std::string& prefix, const TakeObject& take,
             std::stop_token stop) const override;
  bool empty(std::stop_token stop) const override;
  void remove(const std::string& name, std::stop_token stop) override;
  void remove_all(const std::vector<std::string>& names, std::stop_token stop) override;
  bool copy_within(const ObjectStore& from, const std::string& name, std::stop_token stop) override;
  std::optional<Record> read_record(const std::string& name, std::stop_token stop) const override;
  std::optional<std::string> swap_record(const std::string& name, ByteView content,
                                         const std::optional<std::string>& expected,
                                         std::stop_token stop) override;
  ConditionalWrites conditional_writes(std::stop_token stop) override;
  std::optional<std::chrono::seconds> clock_ahead() const override { return inner_.clock_ahead(); }
  bool encrypts() const override { return inner_.encrypts(); }
  bool can_read(const std::string& name) const override { return inner_.can_read(name); }
  ObjectStore& stored() override { return inner_.stored(); }
  std::size_t remove_abandoned_uploads(const std::string& prefix, const WhichNames& which,
                                       std::stop_token stop) override;
  std::unique_ptr<StoreLock> try_lock(const std::string& name, std::stop_token stop) override;

 private:
  ObjectStore& inner_;
  mutable std::atomic<std::uint64_t> calls_{0};
};

}  // namespace keyrewind::store
