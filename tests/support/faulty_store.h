#pragma once

#include "base/error.h"
#include "store/object_store.h"

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>

namespace keyrewind::test {

/// What goes wrong in a FaultyStore, and when.
struct Fault {
  enum class Mode {
    none,         ///< All goes well.
    fail_before,  ///< The call fails and nothing happened.
    fail_after,   ///< It happened, but the caller sees a failure.
    flip_bit,     ///< `get` and `read` give bytes of which one bit is wrong.
    truncate,     ///< `get` loses its last byte; `read` finds that the object ends too early.
    hang,         ///< The call does not come back until `set` is called; then all goes well.
  };

  Mode mode = Mode::none;
  std::uint64_t call = 0;   ///< Which call, from 1 on; 0 means every one.
  std::uint64_t every = 0;  ///< If not 0, one call in so many instead.
  ErrorKind kind = ErrorKind::unavailable;
};

/// A store that passes everything on to another, and makes one call go wrong.
///
/// All members that touch the store count as calls, those of uploads and the taking of locks
/// included, but not `url`.
class FaultyStore final : public store::ObjectStore {
 public:
  /// `inner` must outlive this store and its uploads.
  explicit FaultyStore(store::ObjectStore& inner, Fault fault = {});

  /// Sets what goes wrong from now on, and counts from 0 again.
  void set(Fault fault);

  /// Lets somebody else do something to the store just before call `call`, counted as above.
  void meanwhile(std::uint64_t call, std::function<void()> action);

  /// From now on the locks that were taken are somebody else's.
  void lose_locks() { locks_lost_ = true; }

  /// Calls since the last `set`.
  std::uint64_t calls() const noexcept { return calls_; }

  std::string url() const override;
  void create() override;
  bool put_if_absent(const std::string& name, ByteView content, std::stop_token stop) override;
  std::unique_ptr<store::Upload> upload(const std::string& name, std::stop_token stop) override;
  std::optional<Bytes> get(const std::string& name, std::uint64_t max_bytes,
                           std::stop_token stop) const override;
  void read(const std::string& name, std::uint64_t offset, std::span<std::byte> into,
            std::stop_token stop) const override;
  std::optional<store::ObjectInfo> head(const std::string& name,
                                        std::stop_token stop) const override;
  std::vector<store::ObjectInfo> list(const std::string& prefix,
                                      std::stop_token stop) const override;
  bool empty(std::stop_token stop) const override;
  void remove(const std::string& name, std::stop_token stop) override;
  std::optional<store::Record> read_record(const std::string& name,
                                           std::stop_token stop) const override;
  std::optional<std::string> swap_record(const std::string& name, ByteView content,
                                         const std::optional<std::string>& expected,
                                         std::stop_token stop) override;
  bool encrypts() const override;
  bool can_read(const std::string& name) const override;
  std::size_t remove_abandoned_uploads(const std::string& prefix, const store::WhichNames& which,
                                       std::stop_token stop) override;
  std::unique_ptr<store::StoreLock> try_lock(const std::string& name,
                                             std::stop_token stop) override;

 private:
  class FaultyUpload;
  class FaultyLock;

  /// Counts a call and returns its number. Throws if it is to fail before anything happens.
  std::uint64_t begin() const;
  /// Throws if call `number` is to fail after it happened.
  void end(std::uint64_t number) const;
  bool is_due(Fault::Mode mode, std::uint64_t number) const;
  bool is_due_now(Fault::Mode mode, std::uint64_t number) const;
  Error failure() const;

  store::ObjectStore& inner_;
  mutable std::mutex mutex_;  ///< Guards fault_: an agent's threads go on while a test sets it.
  mutable std::condition_variable changed_;
  Fault fault_;
  std::atomic<bool> locks_lost_{false};
  std::uint64_t meanwhile_call_ = 0;
  std::function<void()> meanwhile_;
  mutable std::atomic<std::uint64_t> calls_{0};
};

}  // namespace keyrewind::test
