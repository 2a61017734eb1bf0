#include "daemon/agent.h"

#include "base/error.h"
#include "base/log.h"
#include "catalog/catalog.h"
#include "catalog/names.h"
#include "catalog/repository.h"
#include "daemon/copier.h"
#include "daemon/term.h"
#include "flow/pause.h"
#include "flow/time_limit.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace keyrewind::daemon {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

/// How long an agent that has a log in its spool waits at the start for a repository that does not
/// answer: it had the lease, and the server must not wait.
constexpr milliseconds kStoreGrace{3000};

constexpr milliseconds kFirstPause{500};
constexpr milliseconds kLongestPause{10000};

/// How long the thread that decides may be without a beat: an attempt asks a repository and several
/// nodes, each of which may take as long as it is tried again.
constexpr std::chrono::minutes kLongestAttempt{10};

std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "unknown";
}

}  // namespace

class Agent::Work {
 public:
  Work(store::ObjectStore& store, AgentOptions options, AgentLinks links,
       metrics::AgentMetrics& metrics, const Clock& clock)
      : store_(store),
        links_(std::move(links)),
        metrics_(metrics),
        clock_(clock),
        options_(std::move(options)),
        catalog_(store, options_.source),
        spool_(options_.spool, options_.source, kOnlyShard),
        events_(spool_, clock) {
    links_.seen.change([&](Observations::Seen& seen) {
      seen.status.log.enabled = options_.log_enabled;
      if (!options_.log_enabled) {
        return;
      }
      seen.detached_since = clock_.now();
      seen.detached_why = "it has not been attached yet";
    });
  }

  void note(const std::string& kind, const std::string& detail) {
    if (const auto tail = spool_.tail()) {
      events_.note(kind, tail->lineage, tail->position.offset, detail);
    }
  }

  const std::filesystem::path& folder() const noexcept { return spool_.folder(); }

  void add_copy(const AgentCopy& copy, metrics::CopyMetrics& metrics) {
    copiers_.push_back(std::make_unique<Copier>(
        catalog_, copy.store,
        CopierOptions{.name = copy.name,
                      .connections = copy.connections,
                      .lacks = [this, name = copy.name](
                                   std::optional<Timestamp> since) { note_copy(name, since); }},
        metrics, clock_));
  }

  void run(const std::stop_token& stop) {
    if (!options_.lease.enabled) {
      serve(nullptr, stop);
      return;
    }
    check_store(stop);
    // The spool's id alone would be that of a copy of its volume, too.
    const std::string holder = fmt::format("{}/{}", host_name(), spool_.id());
    store::Lease lease(store_, catalog::names::lease(options_.source, kOnlyShard),
                       {.holder = holder, .ttl = options_.lease.ttl}, clock_);
    Term::End end = Term::End::lost;
    while (end == Term::End::lost && stand_by(lease, stop)) {
      end = serve(&lease, stop);
      if (end == Term::End::lost) {
        note_loss(lease);
      }
    }
  }

  void reload(const AgentOptions& options) {
    const std::lock_guard lock(mutex_);
    options_.segment_max_age = options.segment_max_age;
    options_.segment_max_bytes = options.segment_max_bytes;
    options_.spool.max_bytes = options.spool.max_bytes;
    options_.shard = options.shard;
    options_.full_sync_min_interval = options.full_sync_min_interval;
    options_.fork = options.fork;
    if (term_ != nullptr) {
      term_->reload(options_);
    }
  }

 private:
  /// Throws if the repository can have no lease. One that does not answer is asked again, unless
  /// the spool has a log that must go on.
  void check_store(const std::stop_token& stop) {
    const auto since = steady_clock::now();
    for (milliseconds pause = kFirstPause; !stop.stop_requested();) {
      flow::beat(options_.pulse, kLongestAttempt);
      try {
        catalog::ensure_repository(store_, clock_, stop);
        const auto conditional = store_.conditional_writes(stop);
        if (!conditional.work) {
          throw Error(ErrorKind::config,
                      fmt::format("{} has no conditional writes, which leases need ({}); set "
                                  "lease.enabled: false and run just one agent for this source",
                                  store_.url(), conditional.reason));
        }
        return;
      } catch (const Error& error) {
        if (error.side() != Side::repository || error.kind() == ErrorKind::cancelled) {
          throw;
        }
        note_unreachable(error);
      }
      if (spool_.tail() && steady_clock::now() - since > kStoreGrace) {
        return;
      }
      flow::pause(pause, stop);
      pause = std::min(pause * 2, kLongestPause);
    }
  }

  /// Waits until the lease is ours, or may be: false if `stop` was requested before.
  bool stand_by(const store::Lease& lease, const std::stop_token& stop) {
    const auto since = steady_clock::now();
    std::string standing_by_for;
    while (!stop.stop_requested()) {
      flow::beat(options_.pulse, kLongestAttempt);
      const store::LeaseState state = lease.state();
      if (state == store::LeaseState::ours) {
        return true;
      }
      const auto problem = lease.problem();
      if (problem && problem->side() != Side::repository) {
        throw *problem;
      }
      if (problem) {
        note_unreachable(*problem);
      }
      if (state == store::LeaseState::unknown && problem && spool_.tail() &&
          steady_clock::now() - since > kStoreGrace) {
        log::warn("repository does not answer; the log goes on from the spool's end");
        return true;
      }
      if (state == store::LeaseState::others &&
          std::exchange(standing_by_for, lease.holder()) != lease.holder()) {
        log::info("standing by; another agent has the lease", {{"holder", lease.holder()}});
        show_role(api::Status::Agent::Role::standby, lease.holder());
      }
      lease.wait_while(state, milliseconds(500), stop);
    }
    return false;
  }

  Term::End serve(const store::Lease* lease, const std::stop_token& stop) {
    std::optional<Term> term;
    {
      const std::lock_guard lock(mutex_);
      term.emplace(
          TermContext{
              .store = store_,
              .spool = spool_,
              .events = events_,
              .lease = lease,
              .metrics = metrics_,
              .clock = clock_,
              .desk = links_.desk,
              .tasks = links_.tasks,
              .guard = links_.guard,
              .seen = links_.seen,
              .log_stored =
                  [this](const std::string& object) {
                    for_each_copier([&](Copier& copier) { copier.notify_log(object); });
                  },
              .backup_ended = [this](const SnapshotTaker::Outcome& outcome) { tell(outcome); },
              .gap = links_.gap},
          options_);
      term_ = &*term;
    }
    metrics_.active(true);
    show_role(api::Status::Agent::Role::active, "");
    for_each_copier([](Copier& copier) { copier.start(); });
    if (lease != nullptr) {
      log::info("lease taken", {{"generation", lease->generation()}});
    }
    const auto finish = [&](bool orderly) {
      for_each_copier([](Copier& copier) { copier.stop(); });
      if (orderly) {
        finish_copies();
      }
      metrics_.active(false);
      const std::lock_guard lock(mutex_);
      term_ = nullptr;
    };
    try {
      const Term::End end = term->run(stop);
      finish(end == Term::End::stopped);
      return end;
    } catch (...) {
      finish(false);
      throw;
    }
  }

  void note_copy(const std::string& name, std::optional<Timestamp> lacks_since) {
    links_.seen.change([&](Observations::Seen& seen) {
      if (lacks_since) {
        seen.copy_lacks_since[name] = *lacks_since;
      } else {
        seen.copy_lacks_since.erase(name);
      }
    });
  }

  void show_role(api::Status::Agent::Role role, const std::string& holder) {
    links_.seen.change([&](Observations::Seen& seen) {
      seen.status.agent.role = role;
      seen.status.agent.holder = holder;
    });
  }

  void tell(const SnapshotTaker::Outcome& outcome) {
    if (!outcome.error) {
      for_each_copier([](Copier& copier) { copier.notify_backup(); });
    }
    if (links_.backup_ended) {
      links_.backup_ended(outcome);
    }
  }

  /// What was stored at the very end goes into the copies, too, if they take it quickly.
  void finish_copies() {
    const flow::TimeLimit limit(options_.shutdown_patience / 2);
    for_each_copier([&](Copier& copier) { copier.run_once(limit.token()); });
  }

  template <typename Do>
  void for_each_copier(const Do& act) {
    for (const auto& copier : copiers_) {
      act(*copier);
    }
  }

  void note_loss(const store::Lease& lease) {
    metrics_.lease_lost();
    log::error("lease lost; standing by", {{"holder", lease.holder()}});
    if (links_.lease_lost) {
      links_.lease_lost(lease.holder());
    }
    if (const auto tail = spool_.tail()) {
      events_.note("lease_lost", tail->lineage, tail->position.offset,
                   fmt::format("{} has taken the lease over", lease.holder()));
    }
  }

  void note_unreachable(const Error& error) {
    if (std::exchange(last_failure_, error.what()) != error.what()) {
      log::warn("lease not taken: repository does not answer", {{"error", error.what()}});
    }
  }

  store::ObjectStore& store_;
  const AgentLinks links_;
  metrics::AgentMetrics& metrics_;
  const Clock& clock_;

  std::mutex mutex_;  ///< Guards options_, once it runs, and term_.
  AgentOptions options_;
  Term* term_ = nullptr;  ///< The present one.

  const catalog::Catalog catalog_;
  backup::Spool spool_;
  EventNotes events_;
  std::vector<std::unique_ptr<Copier>> copiers_;
  std::string last_failure_;
};

Agent::Agent(store::ObjectStore& store, AgentOptions options, AgentLinks links,
             metrics::AgentMetrics& metrics, const Clock& clock)
    : work_(std::make_unique<Work>(store, std::move(options), std::move(links), metrics, clock)) {}

Agent::Agent(store::ObjectStore& store, const std::vector<AgentCopy>& copies, AgentOptions options,
             AgentLinks links, metrics::AgentMetrics& metrics, metrics::CopyMetrics& copy_metrics,
             const Clock& clock)
    : Agent(store, std::move(options), std::move(links), metrics, clock) {
  for (const AgentCopy& copy : copies) {
    work_->add_copy(copy, copy_metrics);
  }
}

Agent::~Agent() = default;

void Agent::run(std::stop_token stop) {
  work_->run(stop);
}

void Agent::reload(const AgentOptions& options) {
  work_->reload(options);
}

void Agent::note(const std::string& kind, const std::string& detail) {
  work_->note(kind, detail);
}

const std::filesystem::path& Agent::folder() const noexcept {
  return work_->folder();
}

}  // namespace keyrewind::daemon
