#pragma once

#include "store/object_store.h"

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace keyrewind::copies {

/// A store that takes objects over from another one by itself, as two buckets of one provider do.
class CopyingStore final : public store::ObjectStore {
 public:
  /// Both must outlive this store.
  CopyingStore(store::ObjectStore& inner, const store::ObjectStore& neighbour)
      : inner_(inner), neighbour_(neighbour) {}

  /// How often it did.
  std::size_t copies() const noexcept { return copies_; }

  /// Whether each copy lacks its last byte from now on.
  void cut_short(bool yes) { cut_short_ = yes; }

  /// Called before each copy, with the name of the object.
  void before_copy(std::function<void(const std::string& name)> action) {
    before_copy_ = std::move(action);
  }

  bool copy_within(const store::ObjectStore& from, const std::string& name,
                   std::stop_token stop) override {
    if (&from != &neighbour_) {
      return false;
    }
    if (before_copy_) {
      before_copy_(name);
    }
    Bytes content = from.get(name, ~0ULL, stop).value();
    if (cut_short_) {
      content.pop_back();
    }
    const auto upload = inner_.upload(name, stop);
    upload->append(content);
    upload->complete();
    ++copies_;
    return true;
  }

  std::string url() const override { return inner_.url(); }
  void create() override { inner_.create(); }
  bool put_if_absent(const std::string& name, ByteView content, std::stop_token stop) override {
    return inner_.put_if_absent(name, content, stop);
  }
  std::unique_ptr<store::Upload> upload(const std::string& name, std::stop_token stop) override {
    return inner_.upload(name, stop);
  }
  std::optional<Bytes> get(const std::string& name, std::uint64_t max_bytes,
                           std::stop_token stop) const override {
    return inner_.get(name, max_bytes, stop);
  }
  void read(const std::string& name, std::uint64_t offset, std::span<std::byte> into,
            std::stop_token stop) const override {
    inner_.read(name, offset, into, stop);
  }
  std::optional<store::ObjectInfo> head(const std::string& name,
                                        std::stop_token stop) const override {
    return inner_.head(name, stop);
  }
  std::vector<store::ObjectInfo> list(const std::string& prefix,
                                      std::stop_token stop) const override {
    return inner_.list(prefix, stop);
  }
  bool empty(std::stop_token stop) const override { return inner_.empty(stop); }
  void remove(const std::string& name, std::stop_token stop) override { inner_.remove(name, stop); }
  std::optional<store::Record> read_record(const std::string& name,
                                           std::stop_token stop) const override {
    return inner_.read_record(name, stop);
  }
  std::optional<std::string> swap_record(const std::string& name, ByteView content,
                                         const std::optional<std::string>& expected,
                                         std::stop_token stop) override {
    return inner_.swap_record(name, content, expected, stop);
  }
  std::size_t remove_abandoned_uploads(const std::string& prefix, const store::WhichNames& which,
                                       std::stop_token stop) override {
    return inner_.remove_abandoned_uploads(prefix, which, stop);
  }
  std::unique_ptr<store::StoreLock> try_lock(const std::string& name,
                                             std::stop_token stop) override {
    return inner_.try_lock(name, stop);
  }

 private:
  store::ObjectStore& inner_;
  const store::ObjectStore& neighbour_;
  std::atomic<std::size_t> copies_{0};
  std::atomic<bool> cut_short_{false};
  std::function<void(const std::string&)> before_copy_;
};

}  // namespace keyrewind::copies
