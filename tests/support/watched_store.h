#pragma once

#include "base/error.h"
#include "store/object_store.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

namespace keyrewind::test {

/// What was fetched of an object.
struct Range {
  std::string name;
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
};

/// A store that only reads, notes what, and can make requests wait for each other.
class WatchedStore final : public store::ObjectStore {
 public:
  /// `inner` must outlive it.
  explicit WatchedStore(store::ObjectStore& inner) : inner_(inner) {}

  /// From now on, what `which` picks waits until `count` such requests are there at once. Then all
  /// of them, and all later ones, go on.
  void gather(std::size_t count, std::function<bool(const Range&)> which) {
    gather_ = count;
    which_ = std::move(which);
  }

  /// Called before each `read`; may throw in its place.
  void before_read(std::function<void(const Range&)> action) { before_read_ = std::move(action); }

  std::vector<Range> ranges() const {
    const std::lock_guard lock(mutex_);
    return ranges_;
  }

  /// The ranges of `name`, in their order, without what is read of it behind `end`.
  std::vector<Range> ranges_of(const std::string& name, std::uint64_t end = ~0ULL) const {
    std::vector<Range> found = ranges();
    std::erase_if(found,
                  [&](const Range& range) { return range.name != name || range.offset >= end; });
    std::ranges::sort(found, {}, &Range::offset);
    return found;
  }

  std::string url() const override { return inner_.url(); }
  void create() override { refuse(); }
  bool put_if_absent(const std::string&, ByteView, std::stop_token) override { refuse(); }
  std::unique_ptr<store::Upload> upload(const std::string&, std::stop_token) override { refuse(); }

  std::optional<Bytes> get(const std::string& name, std::uint64_t max_bytes,
                           std::stop_token stop) const override {
    meet({name, 0, 0}, stop);
    return inner_.get(name, max_bytes, stop);
  }

  void read(const std::string& name, std::uint64_t offset, std::span<std::byte> into,
            std::stop_token stop) const override {
    const Range range{name, offset, into.size()};
    if (before_read_) {
      before_read_(range);
    }
    meet(range, stop);
    {
      const std::lock_guard lock(mutex_);
      ranges_.push_back(range);
    }
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
  void remove(const std::string&, std::stop_token) override { refuse(); }
  std::optional<store::Record> read_record(const std::string& name,
                                           std::stop_token stop) const override {
    return inner_.read_record(name, stop);
  }
  std::optional<std::string> swap_record(const std::string&, ByteView,
                                         const std::optional<std::string>&,
                                         std::stop_token) override {
    refuse();
  }
  std::size_t remove_abandoned_uploads(const std::string&, const store::WhichNames&,
                                       std::stop_token) override {
    refuse();
  }
  std::unique_ptr<store::StoreLock> try_lock(const std::string&, std::stop_token) override {
    refuse();
  }
  bool encrypts() const override { return inner_.encrypts(); }
  bool can_read(const std::string& name) const override { return inner_.can_read(name); }

 private:
  static constexpr std::chrono::seconds kPatience{60};

  [[noreturn]] static void refuse() { throw Error(ErrorKind::internal, "a restore only reads"); }

  void meet(const Range& range, const std::stop_token& stop) const {
    if (gather_ == 0 || !which_(range)) {
      return;
    }
    std::unique_lock lock(mutex_);
    ++there_;
    all_there_.notify_all();
    const bool met = all_there_.wait_for(lock, stop, kPatience, [&] { return there_ >= gather_; });
    if (stop.stop_requested()) {
      throw Error(ErrorKind::cancelled, "stopped");
    }
    if (!met) {
      throw Error(ErrorKind::internal, "so many requests were never there at once");
    }
  }

  store::ObjectStore& inner_;
  std::size_t gather_ = 0;
  std::function<bool(const Range&)> which_;
  std::function<void(const Range&)> before_read_;
  mutable std::mutex mutex_;  ///< Guards what follows.
  mutable std::condition_variable_any all_there_;
  mutable std::size_t there_ = 0;
  mutable std::vector<Range> ranges_;
};

}  // namespace keyrewind::test
