#pragma once

#include "store/object_store.h"

#include <filesystem>

namespace keyrewind::store {

/// Objects as files below a folder: the embedded default.
///
/// An object is a file of the same relative name, mode 0640. It is written as
/// "<name>.<random>.partial", synced, and given its name by a rename that fails if the name is
/// taken; then the folder is synced. Locks are flock(2) on "<name>.lock" files, so they go with
/// the process that held them. A record is a file that is replaced by a rename, under the lock
/// "<name>.lock"; its version is the SHA-256 of its content. Files ending in ".partial" or ".lock"
/// are no objects, and a folder that holds only such files, or a new volume's lost+found, is empty.
/// Folders that a remove leaves empty go with it.
class FileStore final : public ObjectStore {
 public:
  /// `root` is an absolute path.
  explicit FileStore(std::filesystem::path root);

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
  std::optional<Record> read_record(const std::string& name, std::stop_token stop) const override;
  std::optional<std::string> swap_record(const std::string& name, ByteView content,
                                         const std::optional<std::string>& expected,
                                         std::stop_token stop) override;
  std::size_t remove_abandoned_uploads(const std::string& prefix, const WhichNames& which,
                                       std::stop_token stop) override;
  std::unique_ptr<StoreLock> try_lock(const std::string& name, std::stop_token stop) override;

 private:
  const std::filesystem::path root_;
};

}  // namespace keyrewind::store
