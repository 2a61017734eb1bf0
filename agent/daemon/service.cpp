#include "daemon/service.h"

#include "base/error.h"
#include "base/log.h"
#include "base/version.h"
#include "catalog/backup_lock.h"
#include "catalog/drill_report.h"
#include "catalog/restore_request.h"
#include "daemon/backup_accounts.h"
#include "daemon/backup_desk.h"
#include "daemon/fork_guard.h"
#include "daemon/health.h"
#include "daemon/observations.h"
#include "daemon/quotas.h"
#include "daemon/repository_watch.h"
#include "daemon/retention_runs.h"
#include "daemon/tasks.h"
#include "daemon/verify_runs.h"
#include "flow/group.h"
#include "flow/pause.h"
#include "flow/time_limit.h"
#include "prune/delete_backups.h"
#include "prune/lock_backups.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <utility>

namespace keyrewind::daemon {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using Role = api::Status::Agent::Role;

/// Who asks over HTTP is not let wait longer for a repository.
constexpr milliseconds kAskingPatience{8000};

/// Between two looks at what time has brought.
constexpr milliseconds kTick{1000};

/// Health and what is shown of schedules need not be newer.
constexpr int kTicksPerReview = 5;

std::vector<WatchedRepository> watched(store::ObjectStore& store,
                                       const std::vector<AgentCopy>& copies) {
  std::vector<WatchedRepository> all{{"primary", store}};
  for (const AgentCopy& copy : copies) {
    all.push_back({copy.name, copy.store});
  }
  return all;
}

std::optional<Timestamp> time_of(const std::map<std::string, Timestamp>& times,
                                 const std::string& repository) {
  const auto found = times.find(repository);
  return found == times.end() ? std::nullopt : std::optional(found->second);
}

bool fits(const catalog::Commit& commit, const api::BackupFilter& filter) {
  return (!filter.since || commit.created >= *filter.since) &&
         (!filter.until || commit.created <= *filter.until) &&
         std::ranges::all_of(filter.labels, [&](const auto& label) {
           const auto found = commit.labels.find(label.first);
           return found != commit.labels.end() && found->second == label.second;
         });
}

}  // namespace

class Service::Work {
 public:
  Work(store::ObjectStore& store, const std::vector<AgentCopy>& copies, ServiceOptions options,
       ServiceLinks links, metrics::AgentMetrics& metrics, metrics::CopyMetrics& copy_metrics,
       const Clock& clock)
      : links_(std::move(links)),
        metrics_(metrics),
        clock_(clock),
        options_(std::move(options)),
        pulse_(options_.agent.pulse),
        catalog_(store, options_.agent.source),
        tasks_(clock),
        guard_(seen_, metrics, clock),
        notifier_([this] { return health().is_healthy(); },
                  [this](Notifier::Kind kind, bool succeeded) {
                    metrics_.notifications().sent(kind == Notifier::Kind::webhook
                                                      ? metrics::NotificationKind::webhook
                                                      : metrics::NotificationKind::heartbeat,
                                                  succeeded);
                  },
                  clock),
        watch_(watched(store, copies), options_.agent.source, seen_, metrics, clock),
        agent_(store, copies, options_.agent,
               {.desk = desk_,
                .tasks = tasks_,
                .guard = guard_,
                .seen = seen_,
                .backup_ended =
                    [this](const SnapshotTaker::Outcome& outcome) { backup_ended(outcome); },
                .gap = [this](const std::string& detail) { notifier_.tell(Occasion::gap, detail); },
                .lease_lost =
                    [this](const std::string& holder) {
                      notifier_.tell(Occasion::lease_lost,
                                     "this agent has lost its lease to " + holder);
                    }},
               metrics, copy_metrics, clock),
        scheduler_(agent_.folder(),
                   {.busy = [this] { return desk_.busy(); },
                    .ask = [this](const PlannedBackups& schedule) { ask_for(schedule); },
                    .skipped =
                        [this](const std::string& schedule, const std::string& why) {
                          accounts_.skipped(schedule, why);
                          agent_.note(
                              "backup_skipped",
                              fmt::format("the run of schedule {} was skipped: {}", schedule, why));
                        }},
                   clock),
        accounts_(scheduler_, watch_, seen_, notifier_, metrics, clock),
        retention_(catalog_, tasks_, seen_, metrics, clock),
        verifications_(catalog_, verify_options(options_), tasks_, seen_, notifier_, metrics,
                       clock) {
    const Timestamp now = clock_.now();
    seen_.change([&](Observations::Seen& seen) {
      api::Status& status = seen.status;
      status.agent.version = version();
      status.agent.started = now;
      status.agent.config_file = links_.config_file;
      status.source.name = options_.agent.source;
      status.source.address = options_.address;
    });
    take_over(options_);
  }

  void run(const std::stop_token& stop) {
    std::stop_source end;
    // While the agent stores what it still has, these do not begin anything, nor wait for a store
    // that hangs after that.
    flow::Group chores(stop);
    flow::Group threads(end.get_token());
    threads.spawn("clock", [this](const std::stop_token& token) { watch_time(token); });
    chores.spawn("repository", [this](const std::stop_token& token) { keep(token); });
    chores.spawn("verify", [this](const std::stop_token& token) { verifications_.run(token); });
    threads.spawn("webhooks",
                  [this](const std::stop_token& token) { notifier_.run_webhooks(token); });
    threads.spawn("heartbeat",
                  [this](const std::stop_token& token) { notifier_.run_heartbeat(token); });
    try {
      agent_.run(stop);
    } catch (...) {
      tasks_.cancel_all();
      end.request_stop();
      throw;
    }
    tasks_.cancel_all();
    end.request_stop();
    threads.wait();
    chores.wait();
  }

  void take_over(ServiceOptions options) {
    const Timestamp now = clock_.now();
    std::vector<std::string> names;
    for (const PlannedBackups& schedule : options.schedules) {
      names.push_back(schedule.name());
    }
    metrics_.schedules().configure(names);
    metrics_.backups().configure(names);
    metrics_.config().loaded(now);
    metrics_.repositories().limit(
        "primary", options.max_stored == 0 ? std::nullopt : std::optional(options.max_stored));
    scheduler_.configure(options.schedules);
    notifier_.configure(options.notify);
    agent_.reload(options.agent);
    seen_.change([&](Observations::Seen& seen) {
      seen.status.agent.config_loaded = now;
      seen.status.agent.config_error.clear();
      seen.status.source.address = options.address;
    });
    {
      const std::lock_guard lock(mutex_);
      options_ = std::move(options);
    }
    // What is known of a schedule that is new here may stand in the catalog.
    accounts_.seed(watch_.backups());
    review();
  }

  void note_bad_config(const std::string& error) {
    metrics_.config().reload_failed();
    seen_.change([&](Observations::Seen& seen) { seen.status.agent.config_error = error; });
  }

  api::Status status() const {
    const Observations::Seen seen = seen_.get();
    api::Status status = seen.status;
    status.schedules = scheduler_.list();
    status.log.lag = lag_of(seen);
    for (api::RepositoryStatus& repository : status.repositories) {
      if (const auto since = time_of(seen.copy_lacks_since, repository.name)) {
        repository.lag = std::max(clock_.now() - *since, milliseconds(0));
      }
    }
    status.health = judge(facts_of(seen));
    return status;
  }

  api::Health health() const { return judge(facts_of(seen_.get())); }

  bool is_alive() const { return pulse_ == nullptr || pulse_->is_felt(); }
  bool is_ready() const { return seen_.get().status.agent.role != Role::starting; }

  const ServiceLinks& links() const noexcept { return links_; }
  Scheduler& scheduler() noexcept { return scheduler_; }
  const Scheduler& scheduler() const noexcept { return scheduler_; }
  Tasks& tasks() noexcept { return tasks_; }
  const Tasks& tasks() const noexcept { return tasks_; }
  const catalog::Catalog& catalog() const noexcept { return catalog_; }
  VerifyRuns& verifications() noexcept { return verifications_; }
  const Clock& clock() const noexcept { return clock_; }
  Notifier& notifier() noexcept { return notifier_; }

  /// A backup for the schedule, as if it were due.
  std::string ask_for(const PlannedBackups& schedule) {
    return ask({.trigger = catalog::Trigger::schedule, .schedule = schedule.name()},
               schedule.labels, false);
  }

  std::string start_backup(const api::StartBackup& request) {
    check_manual(request.force);
    return ask({.trigger = request.final ? catalog::Trigger::final : catalog::Trigger::manual},
               request.labels, request.force || !options().floor_binds_people);
  }

  std::vector<api::BackupEntry> backups(const api::BackupFilter& filter) const {
    const flow::TimeLimit limit(kAskingPatience);
    const auto locks = catalog::list_locks(catalog_, limit.token());
    std::vector<api::BackupEntry> entries;
    for (catalog::Commit& commit : catalog_.list(limit.token())) {
      if (fits(commit, filter)) {
        entries.push_back(entry_of(std::move(commit), locks));
      }
    }
    return entries;
  }

  api::BackupEntry backup(const std::string& id) const {
    const flow::TimeLimit limit(kAskingPatience);
    return entry_of(catalog_.find(id, limit.token()), catalog::list_locks(catalog_, limit.token()));
  }

  void lock(const std::string& id, const api::BackupEntry::Lock& lock) {
    const flow::TimeLimit limit(kAskingPatience);
    prune::lock_backup(
        catalog_, id,
        {.backup = {}, .until = lock.until, .note = lock.reason, .created = clock_.now()},
        limit.token());
  }

  void unlock(const std::string& id) {
    const flow::TimeLimit limit(kAskingPatience);
    prune::unlock_backup(catalog_, id, limit.token());
  }

  void remove(const std::string& id) {
    const flow::TimeLimit limit(kAskingPatience);
    const auto report = prune::delete_backups(catalog_, {.ids = {id}}, clock_, limit.token());
    if (!report.refused.empty()) {
      throw Error(Side::repository, ErrorKind::denied,
                  fmt::format("the store would not remove {}: {}", report.refused.front().object,
                              report.refused.front().reason));
    }
    wake_keeper();
  }

 private:
  static restore::VerifyOptions verify_options(const ServiceOptions& options) {
    const backup::PipelineOptions& pipeline = options.agent.pipeline;
    return {.level = restore::VerifyLevel::parse,
            .read = {.threads = pipeline.threads},
            .server = {options.server_program},
            .temporary = options.temporary};
  }

  ServiceOptions options() const {
    const std::lock_guard lock(mutex_);
    return options_;
  }

  std::string ask(catalog::Origin origin, std::map<std::string, std::string> labels, bool force) {
    const Observations::Seen seen = seen_.get();
    if (seen.status.agent.role != Role::active) {
      throw Error(
          ErrorKind::busy,
          fmt::format("this agent stands by; ask the one that works{}",
                      seen.status.agent.holder.empty() ? "" : ", " + seen.status.agent.holder));
    }
    const auto job = tasks_.add(api::Task::Kind::backup, origin.schedule);
    try {
      desk_.ask(
          {.origin = std::move(origin), .labels = std::move(labels), .force = force, .job = job});
    } catch (const Error& error) {
      job->fail(error);
      throw;
    }
    return job->id();
  }

  /// Throws Error(busy) if a person may not have a backup now.
  void check_manual(bool force) const {
    const ServiceOptions options = this->options();
    const auto stored = seen_.get().status.repositories.front().stored_bytes;
    check_quotas(watch_.backups(), stored,
                 {.manual_per_24h = options.manual_per_24h, .max_stored = options.max_stored},
                 clock_.now());
    if (!force && options.floor_binds_people) {
      check_floor(watch_.backups(), options.agent.full_sync_min_interval, clock_.now());
    }
  }

  void backup_ended(const SnapshotTaker::Outcome& outcome) {
    accounts_.ended(outcome);
    if (outcome.result) {
      retention_wanted_ = true;
      wake_keeper();
    }
  }

  /// Schedules, health and what is shown of both, every second.
  void watch_time(const std::stop_token& stop) {
    bool was_active = false;
    for (int tick = 0; !stop.stop_requested(); ++tick) {
      const bool is_active = seen_.get().status.agent.role == Role::active;
      if (!is_active) {
        scheduler_.end();
      } else if (!was_active) {
        wake_keeper();
      }
      was_active = is_active;
      scheduler_.step();
      show_progress();
      if (tick % kTicksPerReview == 0) {
        review();
      }
      flow::pause(kTick, stop);
    }
  }

  void show_progress() {
    for (const api::Task& task : tasks_.list()) {
      if (task.kind == api::Task::Kind::backup && task.state == api::Task::State::running) {
        metrics_.backups().progress(task.done_bytes);
      }
    }
  }

  void review() {
    for (const api::ScheduleStatus& schedule : scheduler_.list()) {
      metrics_.schedules().plan(schedule.name, scheduler_.interval(schedule.name), schedule.next);
      metrics_.schedules().paused(schedule.name, schedule.paused);
    }
    metrics_.source().up(seen_.get().status.source.up);
    const api::Health health = this->health();
    const std::lock_guard lock(review_);
    if (std::exchange(was_healthy_, health.is_healthy()) == health.is_healthy()) {
      return;
    }
    if (health.is_healthy()) {
      log::info("agent is healthy again");
      notifier_.tell(Occasion::unhealthy, "the agent is healthy again");
      return;
    }
    const std::string& why = health.reasons.front().message;
    log::error("agent is unhealthy", {{"reason", why}});
    notifier_.tell(Occasion::unhealthy, "the agent is unhealthy: " + why);
  }

  /// Looks at the repositories, and removes what no rule keeps.
  void keep(const std::stop_token& stop) {
    std::optional<steady_clock::time_point> counted;
    std::optional<steady_clock::time_point> removed;
    const auto is_due = [](const auto& last, milliseconds interval) {
      return !last || steady_clock::now() - *last >= interval;
    };
    while (!stop.stop_requested()) {
      const ServiceOptions options = this->options();
      const bool is_active = seen_.get().status.agent.role == Role::active;
      const bool has_to_begin = is_active && !scheduler_.has_begun();
      if (is_due(counted, options.count_interval) || has_to_begin) {
        if (watch_.count(stop)) {
          counted = steady_clock::now();
          accounts_.seed(watch_.backups());
          if (has_to_begin) {
            scheduler_.begin(started_by_schedule(watch_.backups()));
          }
        }
        note_drill(stop);
      } else {
        watch_.look(stop);
      }
      if (is_active && options.retention &&
          (is_due(removed, options.retention_interval) || retention_wanted_)) {
        retention_wanted_ = false;
        removed = steady_clock::now();
        if (retention_.run_once(*options.retention, stop)) {
          watch_.count(stop);
        }
      }
      wait_for_news(options.look_interval, stop);
    }
  }

  void wait_for_news(milliseconds longest, const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    news_.wait_for(lock, stop, longest, [this] { return is_news_; });
    is_news_ = false;
  }

  void wake_keeper() {
    const std::lock_guard lock(mutex_);
    is_news_ = true;
    news_.notify_all();
  }

  /// Takes over what the last drill has found, whoever ran it.
  void note_drill(const std::stop_token& stop) {
    try {
      const auto drills = catalog::read_drills(catalog_, "", 1, stop);
      if (drills.empty() || drills.back().id == last_drill_) {
        return;
      }
      const catalog::DrillReport& drill = drills.back();
      const bool is_news = !last_drill_.empty();
      last_drill_ = drill.id;
      const std::string failure = drill.ok ? ""
                                           : fmt::format("the drill of {} failed: {}",
                                                         to_rfc3339(drill.finished), drill.error);
      metrics_.verifications().seed(metrics::VerifyLevel::load, drill.ok, drill.finished);
      seen_.change([&](Observations::Seen& seen) {
        seen.drill_failure = failure;
        if (drill.ok && (!seen.proven || *seen.proven < drill.finished)) {
          seen.proven = drill.finished;
        }
      });
      if (is_news && !drill.ok) {
        notifier_.tell(Occasion::verify_failed, failure);
      }
    } catch (const Error& error) {
      log::debug("drills not read", {{"error", error.what()}});
    }
  }

  /// How old the oldest write is that the repository lacks; nothing if it lacks none.
  std::optional<milliseconds> lag_of(const Observations::Seen& seen) const {
    const api::Status::Log& log = seen.status.log;
    if (log.received_offset <= log.durable_offset || !seen.durable_arrived) {
      return std::nullopt;
    }
    return std::max(clock_.now() - *seen.durable_arrived, milliseconds(0));
  }

  HealthFacts::Log log_facts_of(const Observations::Seen& seen,
                                milliseconds segment_max_age) const {
    HealthFacts::Log log{.detached_since = seen.detached_since,
                         .why = seen.detached_why,
                         .lag = lag_of(seen),
                         .segment_max_age = segment_max_age,
                         .spool_bytes = seen.status.log.spool_bytes,
                         .spool_limit_bytes = seen.status.log.spool_limit_bytes};
    if (seen.unprotected) {
      log.unprotected_since = seen.unprotected->since;
      log.why_unprotected = seen.unprotected->why;
      log.snapshot_running = seen.unprotected->snapshot_running;
    }
    return log;
  }

  HealthFacts facts_of(const Observations::Seen& seen) const {
    const ServiceOptions options = this->options();
    HealthFacts facts;
    facts.now = clock_.now();
    facts.since = seen.status.agent.started;
    facts.is_standby = seen.status.agent.role == Role::standby;
    if (seen.status.log.enabled) {
      facts.log = log_facts_of(seen, options.agent.segment_max_age);
    }
    if (!facts.is_standby) {
      for (const api::ScheduleStatus& schedule : scheduler_.list()) {
        facts.schedules.push_back({.name = schedule.name,
                                   .paused = schedule.paused,
                                   .interval = scheduler_.interval(schedule.name),
                                   .last_success = schedule.last_success,
                                   .last_failed = schedule.last_result == "failure",
                                   .last_message = schedule.last_message});
      }
    }
    for (const api::RepositoryStatus& repository : seen.status.repositories) {
      facts.repositories.push_back(
          {.name = repository.name,
           .unreachable_since = time_of(seen.unreachable_since, repository.name),
           .error = repository.error,
           .backups = repository.last_contact ? std::optional(repository.backups) : std::nullopt,
           .lacks_since = time_of(seen.copy_lacks_since, repository.name)});
    }
    if (!seen.status.repositories.empty()) {
      facts.stored_bytes = seen.status.repositories.front().stored_bytes;
    }
    facts.max_stored = options.max_stored;
    facts.source_error = seen.status.source.up ? "" : seen.status.source.error;
    facts.verify_failure = seen.verify_failure.empty() ? seen.drill_failure : seen.verify_failure;
    facts.proven = seen.proven;
    facts.full_sync_refused = seen.full_sync_refused;
    facts.config_error = seen.status.agent.config_error;
    facts.retention_failing_since = seen.retention_failing_since;
    facts.retention_error = seen.retention_error;
    return facts;
  }

  static api::BackupEntry entry_of(catalog::Commit commit,
                                   const std::map<std::string, catalog::BackupLock>& locks) {
    api::BackupEntry entry{.commit = std::move(commit)};
    if (const auto found = locks.find(entry.commit.id); found != locks.end()) {
      entry.lock =
          api::BackupEntry::Lock{.until = found->second.until, .reason = found->second.note};
    }
    return entry;
  }

  const ServiceLinks links_;
  metrics::AgentMetrics& metrics_;
  const Clock& clock_;

  mutable std::mutex mutex_;  ///< Guards options_ and is_news_.
  ServiceOptions options_;
  const flow::Pulse* const pulse_;
  std::condition_variable_any news_;
  bool is_news_ = false;

  std::mutex review_;  ///< Guards was_healthy_.
  bool was_healthy_ = true;

  std::atomic<bool> retention_wanted_{false};
  std::string last_drill_;  ///< Its id. Of the thread that keeps the repository.

  mutable catalog::Catalog catalog_;
  Observations seen_;
  Tasks tasks_;
  BackupDesk desk_;
  ForkGuard guard_;
  Notifier notifier_;
  RepositoryWatch watch_;
  Agent agent_;
  Scheduler scheduler_;
  BackupAccounts accounts_;
  RetentionRuns retention_;
  VerifyRuns verifications_;
};

Service::Service(store::ObjectStore& store, const std::vector<AgentCopy>& copies,
                 ServiceOptions options, ServiceLinks links, metrics::AgentMetrics& metrics,
                 metrics::CopyMetrics& copy_metrics, const Clock& clock)
    : work_(std::make_unique<Work>(store, copies, std::move(options), std::move(links), metrics,
                                   copy_metrics, clock)) {}

Service::~Service() = default;

void Service::run(std::stop_token stop) {
  work_->run(stop);
}

void Service::take_over(ServiceOptions options) {
  work_->take_over(std::move(options));
}

void Service::note_bad_config(const std::string& error) {
  work_->note_bad_config(error);
}

void Service::note_restore(const std::string& detail) {
  work_->notifier().tell(Occasion::restored, detail);
}

api::Status Service::status() const {
  return work_->status();
}

api::Health Service::health() const {
  return work_->health();
}

bool Service::is_alive() const {
  return work_->is_alive();
}

bool Service::is_ready() const {
  return work_->is_ready();
}

nlohmann::ordered_json Service::config() const {
  return work_->links().config();
}

void Service::reload() {
  work_->links().reload();
}

std::vector<api::BackupEntry> Service::backups(const api::BackupFilter& filter) const {
  return work_->backups(filter);
}

api::BackupEntry Service::backup(const std::string& id) const {
  return work_->backup(id);
}

catalog::Manifest Service::manifest(const catalog::Commit& commit) const {
  const flow::TimeLimit limit(kAskingPatience);
  return work_->catalog().manifest(commit, limit.token());
}

catalog::Timeline Service::timeline() const {
  const flow::TimeLimit limit(kAskingPatience);
  return catalog::read_outline(work_->catalog(), limit.token());
}

void Service::lock_backup(const std::string& id, const api::BackupEntry::Lock& lock) {
  work_->lock(id, lock);
}

void Service::unlock_backup(const std::string& id) {
  work_->unlock(id);
}

void Service::delete_backup(const std::string& id) {
  work_->remove(id);
}

std::vector<api::ScheduleStatus> Service::schedules() const {
  return work_->scheduler().list();
}

bool Service::pause_schedule(const std::string& name) {
  return work_->scheduler().pause(name);
}

bool Service::resume_schedule(const std::string& name) {
  return work_->scheduler().resume(name);
}

std::optional<std::string> Service::run_schedule(const std::string& name) {
  const auto schedule = work_->scheduler().find(name);
  return schedule ? std::optional(work_->ask_for(*schedule)) : std::nullopt;
}

std::string Service::start_backup(const api::StartBackup& request) {
  return work_->start_backup(request);
}

std::string Service::start_verify(const std::string& backup, api::VerifyLevel level) {
  return work_->verifications().ask(backup, level);
}

std::vector<api::Task> Service::tasks() const {
  return work_->tasks().list();
}

std::optional<api::Task> Service::task(const std::string& id) const {
  return work_->tasks().find(id);
}

bool Service::cancel_task(const std::string& id) {
  return work_->tasks().cancel(id);
}

std::optional<api::RestoreRequest> Service::restore_request() const {
  const flow::TimeLimit limit(kAskingPatience);
  const auto status = catalog::newest_restore_request(work_->catalog(), limit.token());
  if (!status || !status->is_pending(kOnlyShard)) {
    return std::nullopt;
  }
  return api::RestoreRequest{
      .backup = status->request.backup.empty() ? "latest" : status->request.backup,
      .at = status->request.at,
      .created = status->request.created};
}

void Service::put_restore_request(const api::RestoreRequest& request) {
  const flow::TimeLimit limit(kAskingPatience);
  const catalog::Commit commit = work_->catalog().find(request.backup, limit.token());
  catalog::request_restore(
      work_->catalog(),
      {.backup = request.at.empty() || request.backup != "latest" ? commit.id : std::string(),
       .at = request.at,
       .by = "api"},
      kOnlyShard, work_->clock(), limit.token());
  work_->notifier().tell(Occasion::restored,
                         "a restore was requested; it is done when the servers start next");
}

bool Service::delete_restore_request() {
  const flow::TimeLimit limit(kAskingPatience);
  const auto status = catalog::newest_restore_request(work_->catalog(), limit.token());
  if (!status || !status->is_pending(kOnlyShard)) {
    return false;
  }
  catalog::cancel_restore_request(work_->catalog(), status->request.number, work_->clock(),
                                  limit.token());
  return true;
}

}  // namespace keyrewind::daemon
