#include "s3/credentials.h"

#include "base/error.h"
#include "base/log.h"
#include "s3/provider.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <utility>

namespace keyrewind::s3 {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr milliseconds kRefreshBefore = minutes(5);
constexpr milliseconds kBetweenFailures = seconds(30);

/// What has already ended when it comes, because of a clock that is wrong or a service that serves
/// old ones, is used all the same: the store decides. It is asked for again only after a while.
constexpr milliseconds kShortestUse = seconds(10);

Timestamp refresh_time(const Credentials& credentials, Timestamp now) {
  if (!credentials.expires) {
    return Timestamp::max();
  }
  const milliseconds life = *credentials.expires - now;
  const milliseconds use = life < 2 * kRefreshBefore ? life / 2 : life - kRefreshBefore;
  return now + std::max(use, kShortestUse);
}

bool same(const Credentials& one, const Credentials& other) {
  return one.access_key_id == other.access_key_id &&
         one.secret_access_key.reveal() == other.secret_access_key.reveal() &&
         one.session_token.reveal() == other.session_token.reveal();
}

}  // namespace

/// Fetches once for all who wait. `current_` is what everybody uses; one thread at a time, the one
/// that set `fetching_`, uses the providers.
class CredentialChain::Work {
 public:
  Work(const CredentialOptions& options, const Clock& clock)
      : clock_(clock), providers_(make_providers(options, clock)) {}

  Credentials get(const std::stop_token& stop) {
    const std::shared_ptr<const Found> seen = current();
    const bool rotated = seen && any_changed(seen->files);

    std::unique_lock lock(mutex_);
    for (;;) {
      if (current_ && !is_due(rotated && current_ == seen)) {
        return current_->credentials;
      }
      if (!fetching_) {
        return fetch_for_all(lock, stop);
      }
      if (current_ && is_good()) {
        return current_->credentials;  // Somebody else is at it.
      }
      wait_for_other(lock, stop);
    }
  }

  void refuse(const Credentials& credentials) {
    const std::lock_guard lock(mutex_);
    if (current_ && same(current_->credentials, credentials)) {
      refused_ = true;
    }
  }

 private:
  std::shared_ptr<const Found> current() const {
    const std::lock_guard lock(mutex_);
    return current_;
  }

  bool is_due(bool rotated) const {
    const Timestamp now = clock_.now();
    return refused_ || (now >= not_before_ && (rotated || now >= refresh_at_));
  }

  /// Whether the current ones can be used on.
  bool is_good() const {
    const auto& expires = current_->credentials.expires;
    return !refused_ && (!expires || clock_.now() < *expires);
  }

  void wait_for_other(std::unique_lock<std::mutex>& lock, const std::stop_token& stop) {
    const std::uint64_t flight = flights_;
    if (!landed_.wait(lock, stop, [&] { return flights_ != flight; })) {
      throw Error(ErrorKind::cancelled, "stopped while waiting for credentials");
    }
    if (failure_ && failure_->kind() != ErrorKind::cancelled) {
      throw Error(*failure_);
    }
  }

  Credentials fetch_for_all(std::unique_lock<std::mutex>& lock, const std::stop_token& stop) {
    fetching_ = true;
    lock.unlock();
    std::shared_ptr<const Found> found;
    std::optional<Error> failure;
    try {
      found = std::make_shared<const Found>(search(stop));
    } catch (const Error& error) {
      failure = error;
    } catch (...) {
      land(lock, nullptr, Error(ErrorKind::internal, "fetching credentials failed"));
      throw;
    }
    land(lock, std::move(found), std::move(failure));
    if (failure_ && (!current_ || !is_good())) {
      throw Error(*failure_);
    }
    return current_->credentials;
  }

  /// Ends a flight and wakes those who wait for it.
  void land(std::unique_lock<std::mutex>& lock, std::shared_ptr<const Found> found,
            std::optional<Error> failure) {
    lock.lock();
    const Timestamp now = clock_.now();
    if (found) {
      current_ = std::move(found);
      refresh_at_ = refresh_time(current_->credentials, now);
      not_before_ = now;
      refused_ = false;
      warned_ = false;
    } else if (current_) {
      keep_using(*failure, now);
    }
    failure_ = std::move(failure);
    fetching_ = false;
    ++flights_;
    landed_.notify_all();
  }

  void keep_using(const Error& failure, Timestamp now) {
    if (!is_good() || failure.kind() == ErrorKind::cancelled) {
      return;
    }
    not_before_ = now + kBetweenFailures;
    if (const auto& expires = current_->credentials.expires; expires) {
      not_before_ = std::min(not_before_, *expires);
    }
    if (!std::exchange(warned_, true)) {
      log::warn("credentials could not be refreshed, the old ones are used on",
                {{"provider", current_->credentials.provider}, {"error", failure.what()}});
    }
  }

  Found search(const std::stop_token& stop) {
    if (chosen_ != nullptr) {
      std::optional<Found> found = chosen_->find(stop);
      if (!found) {
        throw Error(Side::repository, ErrorKind::denied,
                    fmt::format("{} has no credentials any more", chosen_->place()));
      }
      return std::move(*found);
    }
    for (const auto& provider : providers_) {
      if (std::optional<Found> found = provider->find(stop); found) {
        chosen_ = provider.get();
        return std::move(*found);
      }
    }
    throw none_found();
  }

  Error none_found() const {
    std::string places;
    for (const auto& provider : providers_) {
      places += (places.empty() ? "" : ", ") + provider->place();
    }
    return {Side::repository, ErrorKind::denied,
            fmt::format("no credentials for the repository, asked in turn: {}; set "
                        "s3.access_key_id and s3.secret_access_key_file, or one of these",
                        places)};
  }

  const Clock& clock_;
  const std::vector<std::unique_ptr<Provider>> providers_;
  Provider* chosen_ = nullptr;  ///< The one that had some. Of the thread that fetches.

  mutable std::mutex mutex_;  ///< Guards what follows.
  std::condition_variable_any landed_;
  bool fetching_ = false;
  std::uint64_t flights_ = 0;     ///< That have landed.
  std::optional<Error> failure_;  ///< Of the last flight.
  std::shared_ptr<const Found> current_;
  Timestamp refresh_at_{};
  Timestamp not_before_{};  ///< No refresh earlier, after one that failed.
  bool refused_ = false;    ///< By the store.
  bool warned_ = false;     ///< Since the last one that worked.
};

CredentialChain::CredentialChain(CredentialOptions options, const Clock& clock)
    : work_(std::make_unique<Work>(options, clock)) {}

CredentialChain::~CredentialChain() = default;

Credentials CredentialChain::get(std::stop_token stop) {
  return work_->get(stop);
}

void CredentialChain::refuse(const Credentials& credentials) {
  work_->refuse(credentials);
}

}  // namespace keyrewind::s3
