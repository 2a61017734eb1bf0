#include "store/memory_store.h"

#include "base/error.h"
#include "codec/sha256.h"
#include "store/stop.h"
#include "store/stored_digest.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace keyrewind::store {

/// Shared with the uploads and locks that are out, so that they may outlive the store. The mutex
/// guards all the rest.
struct MemoryStore::State {
  std::mutex mutex;
  std::map<std::string, Bytes> objects;
  std::set<std::string> locks;
  std::map<std::uint64_t, std::string> unfinished;  ///< Names of the uploads under way.
  std::uint64_t next_upload = 0;
};

namespace {

Error missing(const std::string& name) {
  return {Side::repository, ErrorKind::corrupt, fmt::format("object {} is missing", name)};
}

}  // namespace

/// Gathers an object outside the store until it is complete.
class MemoryStore::MemoryUpload final : public Upload {
 public:
  MemoryUpload(std::shared_ptr<State> state, std::string name, std::stop_token stop)
      : state_(std::move(state)), name_(std::move(name)), stop_(std::move(stop)) {
    const std::lock_guard lock(state_->mutex);
    number_ = state_->next_upload++;
    state_->unfinished.emplace(number_, name_);
  }

  ~MemoryUpload() override {
    const std::lock_guard lock(state_->mutex);
    state_->unfinished.erase(number_);
  }

  void append(ByteView bytes) override {
    throw_if_stopped(stop_);
    content_.insert(content_.end(), bytes.begin(), bytes.end());
  }

  StoredBytes complete() override {
    throw_if_stopped(stop_);
    StoredDigest digest;
    digest.feed(content_);
    const std::lock_guard lock(state_->mutex);
    if (state_->unfinished.erase(number_) == 0) {
      throw Error(Side::repository, ErrorKind::failed,
                  fmt::format("the upload of {} was removed as abandoned", name_));
    }
    if (!state_->objects.emplace(name_, std::move(content_)).second) {
      throw Error(Side::repository, ErrorKind::failed,
                  fmt::format("object {} is there already", name_));
    }
    return digest.finish();
  }

 private:
  const std::shared_ptr<State> state_;
  const std::string name_;
  const std::stop_token stop_;
  std::uint64_t number_ = 0;
  Bytes content_;
};

class MemoryStore::MemoryLock final : public StoreLock {
 public:
  MemoryLock(std::shared_ptr<State> state, std::string name)
      : state_(std::move(state)), name_(std::move(name)) {}

  ~MemoryLock() override {
    const std::lock_guard lock(state_->mutex);
    state_->locks.erase(name_);
  }

 private:
  const std::shared_ptr<State> state_;
  const std::string name_;
};

MemoryStore::MemoryStore() : state_(std::make_shared<State>()) {}
MemoryStore::~MemoryStore() = default;

std::string MemoryStore::url() const {
  return "memory://";
}

void MemoryStore::create() {}

bool MemoryStore::put_if_absent(const std::string& name, ByteView content, std::stop_token stop) {
  throw_if_stopped(stop);
  const std::lock_guard lock(state_->mutex);
  return state_->objects.try_emplace(name, content.begin(), content.end()).second;
}

std::unique_ptr<Upload> MemoryStore::upload(const std::string& name, std::stop_token stop) {
  throw_if_stopped(stop);
  return std::make_unique<MemoryUpload>(state_, name, std::move(stop));
}

std::optional<Bytes> MemoryStore::get(const std::string& name, std::uint64_t max_bytes,
                                      std::stop_token stop) const {
  throw_if_stopped(stop);
  const std::lock_guard lock(state_->mutex);
  const auto object = state_->objects.find(name);
  if (object == state_->objects.end()) {
    return std::nullopt;
  }
  if (object->second.size() > max_bytes) {
    throw Error(Side::repository, ErrorKind::corrupt,
                fmt::format("object {} has {} bytes where at most {} are expected", name,
                            object->second.size(), max_bytes));
  }
  return object->second;
}

void MemoryStore::read(const std::string& name, std::uint64_t offset, std::span<std::byte> into,
                       std::stop_token stop) const {
  throw_if_stopped(stop);
  const std::lock_guard lock(state_->mutex);
  const auto object = state_->objects.find(name);
  if (object == state_->objects.end()) {
    throw missing(name);
  }
  const ByteView content = object->second;
  if (offset > content.size() || into.size() > content.size() - offset) {
    throw Error(Side::repository, ErrorKind::corrupt,
                fmt::format("object {} ends at {} bytes, before the {} bytes from {}", name,
                            content.size(), into.size(), offset));
  }
  const ByteView wanted = content.subspan(static_cast<std::size_t>(offset), into.size());
  std::copy(wanted.begin(), wanted.end(), into.begin());
}

std::optional<ObjectInfo> MemoryStore::head(const std::string& name, std::stop_token stop) const {
  throw_if_stopped(stop);
  const std::lock_guard lock(state_->mutex);
  const auto object = state_->objects.find(name);
  if (object == state_->objects.end()) {
    return std::nullopt;
  }
  return ObjectInfo{name, object->second.size()};
}

std::vector<ObjectInfo> MemoryStore::list(const std::string& prefix, std::stop_token stop) const {
  throw_if_stopped(stop);
  const std::lock_guard lock(state_->mutex);
  std::vector<ObjectInfo> found;
  for (auto object = state_->objects.lower_bound(prefix);
       object != state_->objects.end() && object->first.starts_with(prefix); ++object) {
    found.push_back({object->first, object->second.size()});
  }
  return found;
}

bool MemoryStore::empty(std::stop_token stop) const {
  throw_if_stopped(stop);
  const std::lock_guard lock(state_->mutex);
  return state_->objects.empty();
}

void MemoryStore::remove(const std::string& name, std::stop_token stop) {
  throw_if_stopped(stop);
  const std::lock_guard lock(state_->mutex);
  state_->objects.erase(name);
}

std::optional<Record> MemoryStore::read_record(const std::string& name,
                                               std::stop_token stop) const {
  std::optional<Bytes> content = get(name, kMaxRecordBytes, std::move(stop));
  if (!content) {
    return std::nullopt;
  }
  std::string version = codec::sha256_hex(*content);
  return Record{*std::move(content), std::move(version)};
}

std::optional<std::string> MemoryStore::swap_record(const std::string& name, ByteView content,
                                                    const std::optional<std::string>& expected,
                                                    std::stop_token stop) {
  throw_if_stopped(stop);
  const std::lock_guard lock(state_->mutex);
  const auto there = state_->objects.find(name);
  const bool as_expected = there == state_->objects.end()
                               ? !expected
                               : expected && *expected == codec::sha256_hex(there->second);
  if (!as_expected) {
    return std::nullopt;
  }
  state_->objects.insert_or_assign(name, Bytes(content.begin(), content.end()));
  return codec::sha256_hex(content);
}

std::size_t MemoryStore::remove_abandoned_uploads(const std::string& prefix,
                                                  const WhichNames& which, std::stop_token stop) {
  throw_if_stopped(stop);
  const std::lock_guard lock(state_->mutex);
  return std::erase_if(state_->unfinished, [&](const auto& upload) {
    return upload.second.starts_with(prefix) && which(upload.second);
  });
}

std::unique_ptr<StoreLock> MemoryStore::try_lock(const std::string& name, std::stop_token stop) {
  throw_if_stopped(stop);
  const std::lock_guard lock(state_->mutex);
  if (!state_->locks.insert(name).second) {
    return nullptr;
  }
  return std::make_unique<MemoryLock>(state_, name);
}

}  // namespace keyrewind::store
