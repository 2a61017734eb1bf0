#include "copies/copy_pass.h"

#include <fmt/format.h>

#include <utility>

namespace keyrewind::copies {

Account::Account(const CopyObserver& observer, Progress& progress)
    : observer_(observer), progress_(progress) {}

void Account::lacks(const std::string& name, std::uint64_t bytes, std::optional<Timestamp> since) {
  progress_.total_bytes += bytes;
  if (!since) {
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    if (lacking_.emplace(name, *since).second) {
      times_.insert(*since);
    }
  }
  tell();
}

bool Account::take(const Sides& sides, const Wanted& wanted, const std::stop_token& stop) {
  try {
    const Taken taken = copy_object(sides, wanted, progress_, stop);
    switch (taken) {
      case Taken::copied:
        copied(wanted.name, wanted.bytes);
        return true;
      case Taken::there:
        settle(wanted.name);
        return true;
      case Taken::gone:
        gone(wanted.name);
    }
    return false;
  } catch (const Error& error) {
    if (!is_damage(error)) {
      throw;
    }
    add_problem(error);
    return false;
  }
}

void Account::settle(const std::string& name) {
  {
    const std::lock_guard lock(mutex_);
    const auto lacking = lacking_.find(name);
    if (lacking == lacking_.end()) {
      return;
    }
    times_.erase(times_.find(lacking->second));
    lacking_.erase(lacking);
  }
  tell();
}

void Account::gone(const std::string& name) {
  {
    const std::lock_guard lock(mutex_);
    ++report_.gone;
  }
  settle(name);
}

void Account::copied(const std::string& name, std::uint64_t bytes) {
  {
    const std::lock_guard lock(mutex_);
    ++report_.objects;
    report_.bytes += bytes;
  }
  if (observer_.copied) {
    observer_.copied(bytes);
  }
  settle(name);
}

void Account::add_problem(Error error) {
  const std::lock_guard lock(mutex_);
  report_.problems.push_back(std::move(error));
}

std::optional<Timestamp> Account::lacks_since() const {
  const std::lock_guard lock(mutex_);
  return times_.empty() ? std::nullopt : std::optional(*times_.begin());
}

CopyReport Account::report() const {
  const auto since = lacks_since();
  const std::lock_guard lock(mutex_);
  CopyReport report = report_;
  report.lacks_since = since;
  return report;
}

void Account::tell() const {
  if (observer_.lacks_since) {
    observer_.lacks_since(lacks_since());
  }
}

bool is_damage(const Error& error) noexcept {
  return error.kind() == ErrorKind::corrupt || error.kind() == ErrorKind::incompatible;
}

std::optional<Timestamp> time_of_id(std::string_view id) {
  constexpr std::size_t kTime = 16;  // YYYYMMDDThhmmssZ
  if (id.size() < kTime) {
    return std::nullopt;
  }
  return from_rfc3339(fmt::format("{}-{}-{}:{}:{}", id.substr(0, 4), id.substr(4, 2),
                                  id.substr(6, 5), id.substr(11, 2), id.substr(13, 3)));
}

}  // namespace keyrewind::copies
