#pragma once

#include "codec/age.h"
#include "store/object_store.h"

#include <memory>
#include <vector>

namespace keyrewind::store {

/// Stands on another store, and encrypts what goes into objects whose names end in
/// kEncryptedSuffix: each is a whole age file, which the `age` program reads. Other objects,
/// records, listings and locks pass through.
///
/// Reading such an object takes an identity, or that this very store wrote it: it remembers the
/// keys of the last 16,384 objects that it wrote or read in memory, so that an agent can merge what
/// it wrote and read nothing else. `read` fetches just the chunks of 64 KiB that it needs with one
/// request and can begin anywhere; before the first of an object, two more find its key.
class EncryptedStore final : public ObjectStore {
 public:
  /// Without recipients nothing is encrypted: writing such a name is a bug. Without identities, and
  /// for others' objects, reading throws Error(config) that tells to set encryption.identity_file.
  EncryptedStore(std::unique_ptr<ObjectStore> inner, std::vector<codec::AgeRecipient> recipients,
                 std::vector<codec::AgeIdentity> identities);
  ~EncryptedStore() override;

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
  std::optional<std::chrono::seconds> clock_ahead() const override;
  bool encrypts() const override;
  bool can_read(const std::string& name) const override;
  ObjectStore& stored() override;
  std::size_t remove_abandoned_uploads(const std::string& prefix, const WhichNames& which,
                                       std::stop_token stop) override;
  std::unique_ptr<StoreLock> try_lock(const std::string& name, std::stop_token stop) override;

 private:
  class Work;
  const std::unique_ptr<Work> work_;
};

}  // namespace keyrewind::store
