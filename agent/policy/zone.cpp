#include "policy/zone.h"

#include "base/error.h"

#include <date/tz.h>
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <exception>

namespace keyrewind::policy {
namespace {

using std::chrono::floor;
using std::chrono::seconds;

constexpr std::string_view kUtc = "UTC";

const date::tzdb& database() {
  try {
    return date::get_tzdb();
  } catch (const std::exception& error) {
    throw Error(ErrorKind::config,
                fmt::format("this machine has no time zone database ({}); install the package "
                            "tzdata, or use UTC",
                            error.what()));
  }
}

const date::time_zone* find_zone(std::string_view name) {
  database();
  try {
    return date::locate_zone(name);
  } catch (const std::exception&) {
    throw Error(
        ErrorKind::config,
        fmt::format("'{}' is no time zone; write a name such as Europe/Berlin or UTC", name));
  }
}

seconds offset_of(const date::time_zone* zone, Timestamp time) {
  return zone == nullptr ? seconds(0) : zone->get_info(floor<seconds>(time)).offset;
}

}  // namespace

Zone::Zone(std::string_view name) : name_(name), zone_(name == kUtc ? nullptr : find_zone(name)) {}

LocalTime Zone::to_local(Timestamp time) const {
  return LocalTime(floor<seconds>(time.time_since_epoch()) + offset_of(zone_, time));
}

Timestamp Zone::to_moment(LocalTime local) const {
  if (zone_ == nullptr) {
    return Timestamp(local.time_since_epoch());
  }
  const auto info = zone_->get_info(date::local_seconds(local.time_since_epoch()));
  return info.result == date::local_info::nonexistent
             ? info.first.end
             : Timestamp(local.time_since_epoch() - info.first.offset);
}

std::string Zone::to_text(Timestamp time) const {
  const auto local = std::chrono::sys_seconds(to_local(time).time_since_epoch());
  const auto offset = std::chrono::duration_cast<std::chrono::minutes>(offset_of(zone_, time));
  const auto size = std::chrono::abs(offset).count();
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}{}{:02}:{:02}", local, offset.count() < 0 ? '-' : '+',
                     size / 60, size % 60);
}

std::vector<std::string> zone_names() {
  std::vector<std::string> names{std::string(kUtc)};
  for (const date::time_zone& zone : database().zones) {
    names.push_back(zone.name());
  }
  return names;
}

}  // namespace keyrewind::policy
