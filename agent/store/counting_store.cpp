#include "store/counting_store.h"

#include <utility>

namespace keyrewind::store {

void CountingStore::create() {
  ++calls_;
  inner_.create();
}

bool CountingStore::put_if_absent(const std::string& name, ByteView content, std::stop_token stop) {
  ++calls_;
  return inner_.put_if_absent(name, content, std::move(stop));
}

std::unique_ptr<Upload> CountingStore::upload(const std::string& name, std::stop_token stop) {
  ++calls_;
  return inner_.upload(name, std::move(stop));
}

std::optional<Bytes> CountingStore::get(const std::string& name, std::uint64_t max_bytes,
                                        std::stop_token stop) const {
  ++calls_;
  return inner_.get(name, max_bytes, std::move(stop));
}

void CountingStore::read(const std::string& name, std::uint64_t offset, std::span<std::byte> into,
                         std::stop_token stop) const {
  ++calls_;
  inner_.read(name, offset, into, std::move(stop));
}

std::optional<ObjectInfo> CountingStore::head(const std::string& name, std::stop_token stop) const {
  ++calls_;
  return inner_.head(name, std::move(stop));
}

std::vector<ObjectInfo> CountingStore::list(const std::string& prefix, std::stop_token stop) const {
  ++calls_;
  return inner_.list(prefix, std::move(stop));
}

void CountingStore::visit(const std::string& prefix, const TakeObject& take,
                          std::stop_token stop) const {
  ++calls_;
  inner_.visit(prefix, take, std::move(stop));
}

bool CountingStore::empty(std::stop_token stop) const {
  ++calls_;
  return inner_.empty(std::move(stop));
}

void CountingStore::remove(const std::string& name, std::stop_token stop) {
  ++calls_;
  inner_.remove(name, std::move(stop));
}

void CountingStore::remove_all(const std::vector<std::string>& names, std::stop_token stop) {
  calls_ += names.empty() ? 0U : 1U;
  inner_.remove_all(names, std::move(stop));
}

bool CountingStore::copy_within(const ObjectStore& from, const std::string& name,
                                std::stop_token stop) {
  ++calls_;
  return inner_.copy_within(from, name, std::move(stop));
}

std::optional<Record> CountingStore::read_record(const std::string& name,
                                                 std::stop_token stop) const {
  ++calls_;
  return inner_.read_record(name, std::move(stop));
}

std::optional<std::string> CountingStore::swap_record(const std::string& name, ByteView content,
                                                      const std::optional<std::string>& expected,
                                                      std::stop_token stop) {
  ++calls_;
  return inner_.swap_record(name, content, expected, std::move(stop));
}

ObjectStore::ConditionalWrites CountingStore::conditional_writes(std::stop_token stop) {
  ++calls_;
  return inner_.conditional_writes(std::move(stop));
}

std::size_t CountingStore::remove_abandoned_uploads(const std::string& prefix,
                                                    const WhichNames& which, std::stop_token stop) {
  ++calls_;
  return inner_.remove_abandoned_uploads(prefix, which, std::move(stop));
}

std::unique_ptr<StoreLock> CountingStore::try_lock(const std::string& name, std::stop_token stop) {
  ++calls_;
  return inner_.try_lock(name, std::move(stop));
}

}  // namespace keyrewind::store
