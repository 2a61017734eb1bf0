#pragma once

#include "codec/age.h"
#include "codec/age_stream.h"
#include "store/object_store.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace keyrewind::test {

/// The identity for which objects of a SuffixedStore are encrypted.
inline constexpr std::string_view kSecret =
    "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";

/// Gives every object a name that wants encryption, and shows it without that: what the contract
/// then holds for is the encryption. Records and locks have names as they are.
class SuffixedStore final : public store::ObjectStore {
 public:
  explicit SuffixedStore(std::unique_ptr<store::ObjectStore> inner) : inner_(std::move(inner)) {}

  std::string url() const override { return inner_->url(); }
  void create() override { inner_->create(); }
  bool put_if_absent(const std::string& name, ByteView content, std::stop_token stop) override {
    return inner_->put_if_absent(with_suffix(name), content, stop);
  }
  std::unique_ptr<store::Upload> upload(const std::string& name, std::stop_token stop) override {
    return inner_->upload(with_suffix(name), stop);
  }
  std::optional<Bytes> get(const std::string& name, std::uint64_t max_bytes,
                           std::stop_token stop) const override {
    return inner_->get(with_suffix(name), max_bytes, stop);
  }
  void read(const std::string& name, std::uint64_t offset, std::span<std::byte> into,
            std::stop_token stop) const override {
    inner_->read(with_suffix(name), offset, into, stop);
  }
  std::optional<store::ObjectInfo> head(const std::string& name,
                                        std::stop_token stop) const override {
    const auto found = inner_->head(with_suffix(name), stop);
    return found ? std::optional(shown(*found)) : std::nullopt;
  }
  std::vector<store::ObjectInfo> list(const std::string& prefix,
                                      std::stop_token stop) const override {
    std::vector<store::ObjectInfo> found;
    for (const store::ObjectInfo& object : inner_->list(prefix, stop)) {
      found.push_back(shown(object));
    }
    std::ranges::sort(found, {}, &store::ObjectInfo::name);
    return found;
  }
  bool empty(std::stop_token stop) const override { return inner_->empty(stop); }
  void remove(const std::string& name, std::stop_token stop) override {
    inner_->remove(with_suffix(name), stop);
  }
  std::optional<store::Record> read_record(const std::string& name,
                                           std::stop_token stop) const override {
    return inner_->read_record(name, stop);
  }
  std::optional<std::string> swap_record(const std::string& name, ByteView content,
                                         const std::optional<std::string>& expected,
                                         std::stop_token stop) override {
    return inner_->swap_record(name, content, expected, stop);
  }
  std::size_t remove_abandoned_uploads(const std::string& prefix, const store::WhichNames& which,
                                       std::stop_token stop) override {
    return inner_->remove_abandoned_uploads(
        prefix, [&](const std::string& name) { return which(without_suffix(name)); }, stop);
  }
  std::unique_ptr<store::StoreLock> try_lock(const std::string& name,
                                             std::stop_token stop) override {
    return inner_->try_lock(name, stop);
  }

 private:
  static std::string with_suffix(const std::string& name) {
    return name + std::string(store::kEncryptedSuffix);
  }

  static std::string without_suffix(const std::string& name) {
    return name.ends_with(store::kEncryptedSuffix)
               ? name.substr(0, name.size() - store::kEncryptedSuffix.size())
               : name;
  }

  /// With the size of what the object holds: with one recipient all headers are as long.
  static store::ObjectInfo shown(const store::ObjectInfo& object) {
    if (!object.name.ends_with(store::kEncryptedSuffix)) {
      return object;
    }
    static const std::uint64_t head =
        codec::AgeEncryptor({codec::AgeIdentity(kSecret).recipient()}).payload_offset();
    return {without_suffix(object.name), codec::AgeLayout::of(object.bytes - head)->plain_bytes};
  }

  const std::unique_ptr<store::ObjectStore> inner_;
};

}  // namespace keyrewind::test
