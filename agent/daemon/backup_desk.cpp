#include "daemon/backup_desk.h"

#include "base/error.h"

#include <fmt/format.h>

#include <utility>

namespace keyrewind::daemon {
namespace {

std::string name_of(const catalog::Origin& origin) {
  return origin.schedule.empty()
             ? std::string(to_string(origin.trigger.value_or(catalog::Trigger::manual)))
             : "schedule " + origin.schedule;
}

}  // namespace

void BackupDesk::ask(BackupWish wish) {
  const std::lock_guard lock(mutex_);
  if (waiting_ || !taking_.empty()) {
    throw Error(ErrorKind::busy,
                fmt::format("another backup is under way ({}); only one is taken at a time",
                            what_is_under_way()));
  }
  waiting_ = std::move(wish);
  waiting_since_ = std::chrono::steady_clock::now();
  is_news_ = true;
  news_.notify_all();
}

std::string BackupDesk::what_is_under_way() const {
  return taking_.empty() ? name_of(waiting_->origin) + ", waiting" : taking_;
}

bool BackupDesk::busy() const {
  const std::lock_guard lock(mutex_);
  return waiting_ || !taking_.empty();
}

std::optional<BackupWish> BackupDesk::waiting() const {
  const std::lock_guard lock(mutex_);
  return waiting_;
}

std::optional<BackupWish> BackupDesk::take() {
  const std::lock_guard lock(mutex_);
  auto wish = std::exchange(waiting_, std::nullopt);
  if (wish) {
    taking_ = name_of(wish->origin);
  }
  return wish;
}

void BackupDesk::begin_base() {
  const std::lock_guard lock(mutex_);
  taking_ = "a snapshot for the log to begin with";
}

void BackupDesk::end() {
  const std::lock_guard lock(mutex_);
  taking_.clear();
}

std::optional<BackupWish> BackupDesk::give_up(std::chrono::milliseconds longest) {
  const std::lock_guard lock(mutex_);
  const bool is_over =
      waiting_ && (std::chrono::steady_clock::now() - waiting_since_ >= longest ||
                   (waiting_->job && waiting_->job->stop_token().stop_requested()));
  return is_over ? std::exchange(waiting_, std::nullopt) : std::nullopt;
}

void BackupDesk::wake() {
  const std::lock_guard lock(mutex_);
  is_news_ = true;
  news_.notify_all();
}

void BackupDesk::wait(std::chrono::milliseconds longest, const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  news_.wait_for(lock, stop, longest, [this] { return is_news_; });
  is_news_ = false;
}

}  // namespace keyrewind::daemon
