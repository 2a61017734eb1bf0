#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "store/object_store.h"

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>

namespace keyrewind::store {

/// Who has a lease, as far as one of those who want it knows.
enum class LeaseState {
  unknown,  ///< The store has not answered yet, or not for so long that ours may have lapsed.
  others,   ///< Somebody else has it.
  ours,     ///< We have it, and nobody else can for some time yet.
};

struct LeaseOptions {
  /// Who wants it: something that no two processes ever have at once. One that comes back under the
  /// same name has its lease at once.
  std::string holder;
  std::chrono::milliseconds ttl{30000};  ///< Not renewed for so long, it is anybody's.
};

/// The right to be the only one, for a while: a record in a repository that its holder renews.
/// FORMAT.md, section "Leases", has its content.
///
/// Nobody compares clocks. The holder counts on it for two thirds of its time to live, from when it
/// began to write the version that stands; others take it when they have seen the same version for
/// five sixths. A holder that dies is followed within the time to live. Each taking by another
/// holder counts the generation up by one.
///
/// A thread of its own takes the lease as soon as it can, renews it, and goes on trying when it is
/// lost. All members may be called from any thread.
class Lease {
 public:
  /// `store`, which must outlive the lease, has conditional writes. Nothing is contacted yet.
  Lease(ObjectStore& store, std::string name, LeaseOptions options, const Clock& clock);
  /// Gives it back if it is ours, within a few seconds.
  ~Lease();
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;

  LeaseState state() const;

  /// Waits until the state is another than `known`, or `limit` is over, or `stop` is requested;
  /// returns what it is then.
  LeaseState wait_while(LeaseState known, std::chrono::milliseconds limit,
                        const std::stop_token& stop) const;

  /// Of our last taking, from 1 on; 0 if it never was ours.
  std::uint64_t generation() const;

  /// Whether the record named us as its holder when we took it: nobody else has had it since we
  /// had.
  bool was_ours_before() const;

  /// Whom the record named when it was last read; empty if it never was.
  std::string holder() const;

  /// Whether somebody else has been seen to renew it.
  bool others_renew() const;

  /// Why the store could not be asked the last time, if it could not.
  std::optional<Error> problem() const;

 private:
  using TimePoint = std::chrono::steady_clock::time_point;

  /// The record as it was last seen.
  struct Seen {
    std::string version{};
    std::string holder{};
    std::string nonce{};
    std::uint64_t generation = 0;
    std::chrono::milliseconds ttl{};
    bool released = false;
    TimePoint since{};  ///< When this version was seen first.
  };

  void work(const std::stop_token& stop);
  void look(const std::stop_token& stop);
  void renew(const std::stop_token& stop);
  void take_if_free(const std::stop_token& stop);
  bool write(std::uint64_t generation, bool released, const std::stop_token& stop);
  void give_back();
  void note_ours(const Seen& record, TimePoint began, bool before);
  void note_others(const Seen& record, bool renewed);
  void note_gone();
  std::chrono::milliseconds next_pause() const;
  LeaseState state_now() const;

  ObjectStore& store_;
  const std::string name_;
  const LeaseOptions options_;
  const Clock& clock_;

  // Of the thread.
  std::optional<Seen> seen_;
  std::map<std::string, TimePoint>
      written_;  ///< Nonces that the record may have from us, since when.

  mutable std::mutex mutex_;  ///< Guards what follows.
  mutable std::condition_variable_any changed_;
  bool ours_ = false;
  bool others_ = false;
  bool others_renew_ = false;
  bool was_ours_before_ = false;
  TimePoint until_{};  ///< Ours, we count on it up to here.
  std::uint64_t generation_ = 0;
  std::string holder_;
  std::optional<Error> problem_;

  std::jthread thread_;
};

/// A lock for a store in which time alone tells that a holder is gone: a lease under the name
/// "leases/<name>.json" of a holder that no other call has. Waits for one that nobody renews to
/// lapse; nothing if somebody does.
std::unique_ptr<StoreLock> try_lease_lock(ObjectStore& store, const std::string& name,
                                          std::chrono::milliseconds ttl, const Clock& clock,
                                          std::stop_token stop);

}  // namespace keyrewind::store
