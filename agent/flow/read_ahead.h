#pragma once

#include "flow/group.h"
#include "flow/pool.h"
#include "flow/sequencer.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>

namespace keyrewind::flow {

/// Things that are slow to get, wanted in order: several threads get them ahead of their reader.
///
/// The things have numbers from 0 on. They are made in buffers that are used again, and there are
/// never more than so many of these: whoever is ahead of the reader waits. What fails is thrown to
/// the reader in its turn, so everything before it is still given, and nothing behind it is begun
/// any more. The destructor stops the threads and waits for them; nothing that `next` gave may
/// outlive it.
template <typename T>
class ReadAhead {
 public:
  struct Options {
    std::string name;         ///< Of the threads, in `top -H`.
    std::size_t threads = 1;  ///< So many things are made at once.
    std::size_t buffers = 2;  ///< One that the reader holds included; at least 1.
  };

  /// Makes the thing `number` in `into`, whose content is whatever its last use left.
  using Make = std::function<void(std::uint64_t number, T& into, std::stop_token stop)>;

  /// A thing; its buffer goes back when the lease does.
  using Lease = typename Pool<T>::Lease;

  /// Begins at once to make `count` things.
  ReadAhead(const Options& options, std::uint64_t count, Make make, std::stop_token stop)
      : count_(count),
        make_(std::move(make)),
        buffers_(options.buffers, [] { return T(); }),
        ordered_(options.buffers),
        group_(std::move(stop)) {
    ordered_.finish(count);
    const std::uint64_t threads =
        std::min<std::uint64_t>({options.threads, options.buffers, count});
    for (std::uint64_t i = 0; i < threads; ++i) {
      group_.spawn(options.name, [this](std::stop_token inner) { work(inner); });
    }
  }

  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;

  /// Waits for the next one; nothing after the last. Throws what making it threw, and
  /// Error(cancelled) once `stop` is requested.
  [[nodiscard]] std::optional<Lease> next(std::stop_token stop) {
    std::optional<Made> made = ordered_.take(std::move(stop));
    if (!made) {
      return std::nullopt;
    }
    if (made->failure) {
      std::rethrow_exception(made->failure);
    }
    return std::move(made->buffer);
  }

 private:
  struct Made {
    Lease buffer;
    std::exception_ptr failure;
  };

  void work(const std::stop_token& stop) {
    while (true) {
      // The buffer first: whoever has the number that the reader waits for can go on.
      Made made{buffers_.borrow(stop), nullptr};
      const std::uint64_t number = next_.fetch_add(1);
      if (number >= count_) {
        return;
      }
      try {
        make_(number, *made.buffer, stop);
      } catch (...) {
        made.failure = std::current_exception();
        next_ = count_;
      }
      ordered_.put(number, std::move(made), stop);
    }
  }

  const std::uint64_t count_;
  const Make make_;
  std::atomic<std::uint64_t> next_{0};
  Pool<T> buffers_;
  Sequencer<Made> ordered_;
  Group group_;  ///< Last: its threads use all of the above.
};

}  // namespace keyrewind::flow
