#pragma once

#include "store/object_store.h"
#include "store/report.h"

#include <memory>
#include <string>
#include <vector>

namespace keyrewind::store {

/// A store that passes everything on to another and reports each call that asks something of it,
/// for stores that report no requests of their own. Of an upload its end is what is reported, with
/// the time of all of it.
class ObservedStore final : public ObjectStore {
 public:
  ObservedStore(std::unique_ptr<ObjectStore> inner, Observer observer)
      : inner_(std::move(inner)), observer_(std::move(observer)) {}

  std::string url() const override { return inner_->url(); }
  void create() override { inner_->create(); }
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
  std::optional<std::chrono::seconds> clock_ahead() const override { return inner_->clock_ahead(); }
  bool encrypts() const override { return inner_->encrypts(); }
  bool can_read(const std::string& name) const override { return inner_->can_read(name); }
  std::size_t remove_abandoned_uploads(const std::string& prefix, const WhichNames& which,
                                       std::stop_token stop) override;
  std::unique_ptr<StoreLock> try_lock(const std::string& name, std::stop_token stop) override;

 private:
  const std::unique_ptr<ObjectStore> inner_;
  const Observer observer_;
};

}  // namespace keyrewind::store
