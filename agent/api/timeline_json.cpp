#include "api/timeline_json.h"

#include <utility>

namespace keyrewind::api {
namespace {

using catalog::Gap;
using catalog::SnapshotPoint;
using catalog::Timeline;
using catalog::TimelineEvent;
using catalog::Window;
using nlohmann::ordered_json;

ordered_json to_json(const SnapshotPoint& point) {
  return {{"id", point.commit.id},
          {"at", to_rfc3339(point.snapshot.taken)},
          {"offset", point.snapshot.offset}};
}

ordered_json to_json(const Window& window) {
  auto snapshots = ordered_json::array();
  for (const SnapshotPoint& point : window.snapshots) {
    snapshots.push_back(to_json(point));
  }
  return {{"lineage", window.lineage},         {"from", to_rfc3339(window.from)},
          {"until", to_rfc3339(window.until)}, {"from_offset", window.begin},
          {"until_offset", window.end},        {"snapshots", std::move(snapshots)},
          {"segments", window.log.size()},     {"stored_bytes", stored_bytes(window)}};
}

ordered_json to_json(const Gap& gap) {
  return {{"from", to_rfc3339(gap.from)},
          {"until", to_rfc3339(gap.until)},
          {"lineage", gap.lineage},
          {"offset", gap.offset},
          {"reason", gap.reason}};
}

ordered_json to_json(const TimelineEvent& event) {
  return {{"id", event.id},
          {"kind", event.kind},
          {"command", event.command.empty() ? ordered_json() : ordered_json(event.command)},
          {"database", event.database ? ordered_json(*event.database) : ordered_json()},
          {"at", to_rfc3339(event.at)},
          {"lineage", event.lineage},
          {"offset", event.offset},
          {"before", event.before},
          {"detail", event.detail}};
}

template <typename Things>
ordered_json to_array(const Things& things) {
  auto array = ordered_json::array();
  for (const auto& thing : things) {
    array.push_back(to_json(thing));
  }
  return array;
}

}  // namespace

Timeline cut(Timeline timeline, const TimeSpan& span) {
  std::erase_if(timeline.windows,
                [&](const Window& window) { return !span.overlaps(window.from, window.until); });
  std::erase_if(timeline.gaps, [&](const Gap& gap) { return !span.overlaps(gap.from, gap.until); });
  std::erase_if(timeline.events, [&](const TimelineEvent& event) { return !span.holds(event.at); });
  return timeline;
}

std::uint64_t stored_bytes(const Window& window) {
  std::uint64_t bytes = 0;
  for (const catalog::LogSpan& span : window.log) {
    bytes += span.bytes;
  }
  return bytes;
}

ordered_json to_json(const std::string& source, const Timeline& timeline) {
  auto snapshots = ordered_json::array();
  for (const Window& window : timeline.windows) {
    for (const SnapshotPoint& point : window.snapshots) {
      ordered_json snapshot = to_json(point);
      snapshot["lineage"] = window.lineage;
      snapshots.push_back(std::move(snapshot));
    }
  }
  return {{"source", source},
          {"windows", to_array(timeline.windows)},
          {"gaps", to_array(timeline.gaps)},
          {"snapshots", std::move(snapshots)},
          {"events", to_array(timeline.events)},
          {"problems", timeline.problems}};
}

}  // namespace keyrewind::api
