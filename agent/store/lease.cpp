#include "store/lease.h"

#include "base/bytes.h"
#include "base/random.h"
#include "flow/pause.h"
#include "flow/time_limit.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <utility>

namespace keyrewind::store {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// Written to every lease: FORMAT.md, section "Leases".
constexpr std::string_view kKind = "keyrewind-lease";
constexpr std::uint64_t kFormat = 1;
constexpr std::size_t kNonceBytes = 16;

/// How long giving a lease back may take: whoever waits for it waits no longer than its time to
/// live anyway.
constexpr milliseconds kGiveBackTime{3000};

/// Times to live after which no request is still on its way.
constexpr int kForgetAfter = 20;

/// The holder counts on its lease for so long …
milliseconds counted_on(milliseconds ttl) {
  return ttl * 2 / 3;
}

/// … and others wait for so long: longer, so that both can never believe to have it.
milliseconds lapses_after(milliseconds ttl) {
  return ttl * 5 / 6;
}

/// Between two looks at somebody else's lease: added to the time above it is the time to live.
milliseconds look_interval(milliseconds ttl) {
  return ttl / 6;
}

milliseconds renew_interval(milliseconds ttl) {
  return ttl / 4;
}

/// Before a store that failed is asked again.
milliseconds retry_interval(milliseconds ttl) {
  return std::clamp(ttl / 20, milliseconds(20), milliseconds(1000));
}

Error damaged(const std::string& name, std::string_view why) {
  return {Side::repository, ErrorKind::corrupt,
          fmt::format("lease {} is damaged: {}; if no agent is running, remove it", name, why)};
}

/// A lease that was got, as a lock.
class LeaseLock final : public StoreLock {
 public:
  LeaseLock(std::unique_ptr<Lease> lease, milliseconds ttl) : lease_(std::move(lease)), ttl_(ttl) {}

  bool held() const override {
    return lease_->wait_while(LeaseState::unknown, ttl_, {}) == LeaseState::ours;
  }

 private:
  const std::unique_ptr<Lease> lease_;
  const milliseconds ttl_;
};

}  // namespace

Lease::Lease(ObjectStore& store, std::string name, LeaseOptions options, const Clock& clock)
    : store_(store),
      name_(std::move(name)),
      options_(std::move(options)),
      clock_(clock),
      thread_([this](const std::stop_token& stop) { work(stop); }) {}

Lease::~Lease() {
  thread_.request_stop();
  thread_.join();
  give_back();
}

void Lease::work(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    std::optional<Error> problem;
    try {
      bool ours = false;
      {
        const std::lock_guard lock(mutex_);
        ours = ours_;
      }
      if (ours) {
        renew(stop);
      } else {
        look(stop);
        take_if_free(stop);
      }
    } catch (const Error& error) {
      problem = error;
    }
    milliseconds pause{};
    {
      const std::lock_guard lock(mutex_);
      problem_ = problem;
      pause = problem ? retry_interval(options_.ttl) : next_pause();
    }
    changed_.notify_all();
    flow::pause(pause, stop);
  }
}

/// What to do next can wait so long.
milliseconds Lease::next_pause() const {
  if (ours_) {
    return renew_interval(options_.ttl);
  }
  if (!seen_) {
    return retry_interval(options_.ttl);
  }
  const auto left = seen_->since + lapses_after(seen_->ttl) - steady_clock::now();
  return std::clamp(std::chrono::ceil<milliseconds>(left), milliseconds(1),
                    look_interval(std::min(seen_->ttl, options_.ttl)));
}

void Lease::look(const std::stop_token& stop) {
  const std::optional<Record> record = store_.read_record(name_, stop);
  if (!record) {
    note_gone();
    return;
  }
  const auto document = nlohmann::json::parse(as_text(record->content), nullptr, false);
  Seen seen{.version = record->version, .since = steady_clock::now()};
  try {
    if (document.at("kind") != kKind) {
      throw damaged(name_, "it is something else");
    }
    if (document.at("format").get<std::uint64_t>() > kFormat) {
      throw Error(Side::repository, ErrorKind::incompatible,
                  fmt::format("lease {} was written by a newer Keyrewind; use that", name_));
    }
    seen.holder = document.at("holder");
    seen.nonce = document.at("nonce");
    seen.generation = document.at("generation");
    seen.ttl = milliseconds(document.at("ttl_ms").get<std::uint32_t>());
    seen.released = document.at("released");
  } catch (const nlohmann::json::exception&) {
    throw damaged(name_, "it is not the JSON that it should be");
  }
  const bool same = seen_ && seen_->version == seen.version;
  const bool renewed = seen_ && !same && seen_->holder == seen.holder && !seen.released;
  if (same) {
    seen.since = seen_->since;
  }
  seen_ = seen;
  if (const auto ours = written_.find(seen.nonce); ours != written_.end()) {
    if (!seen.released) {
      note_ours(seen, ours->second, false);
    }
    return;
  }
  note_others(seen, renewed);
}

void Lease::take_if_free(const std::stop_token& stop) {
  {
    const std::lock_guard lock(mutex_);
    if (ours_) {
      return;
    }
  }
  if (!seen_) {
    write(generation() + 1, false, stop);
    return;
  }
  const bool before = seen_->holder == options_.holder;
  const bool lapsed = steady_clock::now() - seen_->since >= lapses_after(seen_->ttl);
  if (before || seen_->released || lapsed) {
    write(before ? seen_->generation : seen_->generation + 1, false, stop);
  }
}

void Lease::renew(const std::stop_token& stop) {
  if (!write(seen_->generation, false, stop)) {
    look(stop);
  }
}

/// Writes the record over the version that was seen. Returns false if it is another by now.
bool Lease::write(std::uint64_t generation, bool released, const std::stop_token& stop) {
  Seen next{.holder = options_.holder,
            .nonce = random_hex(kNonceBytes),
            .generation = generation,
            .ttl = options_.ttl,
            .released = released};
  const nlohmann::ordered_json document = {{"format", kFormat},
                                           {"kind", kKind},
                                           {"holder", next.holder},
                                           {"generation", generation},
                                           {"nonce", next.nonce},
                                           {"ttl_ms", options_.ttl.count()},
                                           {"at", to_rfc3339(clock_.now())},
                                           {"released", released}};
  const std::string content = document.dump(2) + "\n";
  const bool before = seen_ && seen_->holder == options_.holder;
  const TimePoint began = steady_clock::now();
  // Noted first: if the answer is lost, the record tells by its nonce that it was us.
  std::erase_if(written_, [&](const auto& written) {
    return began - written.second > kForgetAfter * options_.ttl &&
           !(seen_ && seen_->nonce == written.first);
  });
  written_.emplace(next.nonce, began);
  const auto version = store_.swap_record(
      name_, as_bytes(content), seen_ ? std::optional(seen_->version) : std::nullopt, stop);
  if (!version) {
    return false;
  }
  next.version = *version;
  next.since = steady_clock::now();
  seen_ = next;
  note_ours(next, began, before);
  return true;
}

void Lease::note_ours(const Seen& record, TimePoint began, bool before) {
  written_ = {{record.nonce, began}};
  const std::lock_guard lock(mutex_);
  if (!std::exchange(ours_, true)) {
    was_ours_before_ = before;
  }
  others_ = false;
  until_ = began + counted_on(record.ttl);
  generation_ = record.generation;
  holder_ = record.holder;
}

void Lease::note_others(const Seen& record, bool renewed) {
  const bool free = record.released || record.holder == options_.holder;
  const std::lock_guard lock(mutex_);
  // Under our own name, but not by us: somebody has a copy of what the name is made from.
  others_ = !free || ours_;
  ours_ = false;
  others_renew_ = others_renew_ || (renewed && !free);
  holder_ = record.holder;
}

/// There is no record yet, or somebody has removed it.
void Lease::note_gone() {
  seen_.reset();
  const std::lock_guard lock(mutex_);
  ours_ = false;
  others_ = false;
}

void Lease::give_back() {
  // A store that has not answered for so long would only make its end longer: it lapses.
  if (state() != LeaseState::ours) {
    return;
  }
  try {
    const flow::TimeLimit limit(kGiveBackTime);
    write(generation_, true, limit.token());
  } catch (const Error&) {
    // It lapses.
  }
}

LeaseState Lease::state_now() const {
  if (ours_) {
    return steady_clock::now() < until_ ? LeaseState::ours : LeaseState::unknown;
  }
  return others_ ? LeaseState::others : LeaseState::unknown;
}

LeaseState Lease::state() const {
  const std::lock_guard lock(mutex_);
  return state_now();
}

LeaseState Lease::wait_while(LeaseState known, milliseconds limit,
                             const std::stop_token& stop) const {
  const TimePoint end = steady_clock::now() + limit;
  std::unique_lock lock(mutex_);
  while (state_now() == known && steady_clock::now() < end && !stop.stop_requested()) {
    // What time alone changes wakes nobody.
    const TimePoint wake = known == LeaseState::ours ? std::min(end, until_) : end;
    changed_.wait_until(lock, stop, wake, [&] { return state_now() != known; });
  }
  return state_now();
}

std::uint64_t Lease::generation() const {
  const std::lock_guard lock(mutex_);
  return generation_;
}

bool Lease::was_ours_before() const {
  const std::lock_guard lock(mutex_);
  return was_ours_before_;
}

std::string Lease::holder() const {
  const std::lock_guard lock(mutex_);
  return holder_;
}

bool Lease::others_renew() const {
  const std::lock_guard lock(mutex_);
  return others_renew_;
}

std::optional<Error> Lease::problem() const {
  const std::lock_guard lock(mutex_);
  return problem_;
}

std::unique_ptr<StoreLock> try_lease_lock(ObjectStore& store, const std::string& name,
                                          milliseconds ttl, const Clock& clock,
                                          std::stop_token stop) {
  auto lease =
      std::make_unique<Lease>(store, fmt::format("leases/{}.json", name),
                              LeaseOptions{.holder = random_hex(kNonceBytes), .ttl = ttl}, clock);
  while (lease->state() != LeaseState::ours) {
    if (stop.stop_requested()) {
      throw Error(ErrorKind::cancelled, "stopped");
    }
    if (lease->others_renew()) {
      return nullptr;
    }
    if (const auto problem = lease->problem()) {
      throw *problem;
    }
    lease->wait_while(lease->state(), milliseconds(50), stop);
  }
  return std::make_unique<LeaseLock>(std::move(lease), ttl);
}

}  // namespace keyrewind::store
