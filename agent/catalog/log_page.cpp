#include "catalog/log_page.h"

#include "base/error.h"
#include "catalog/names.h"
#include "catalog/page_frame.h"
#include "catalog/segment_json.h"

#include <algorithm>
#include <string_view>

namespace keyrewind::catalog {
namespace {

using nlohmann::ordered_json;

// Written to every page: FORMAT.md, section "Pages".
constexpr std::string_view kPageKind = "keyrewind-log-page";

ordered_json to_json(const TimelineEvent& event) {
  return {{"id", event.id},
          {"kind", event.kind},
          {"command", event.command},
          {"database", event.database ? ordered_json(*event.database) : ordered_json(nullptr)},
          {"at", to_rfc3339(event.at)},
          {"offset", event.offset},
          {"before", event.before},
          {"detail", event.detail}};
}

TimelineEvent read_event(const JsonObject& in) {
  return {.id = in.text("id"),
          .kind = in.text("kind"),
          .command = in.text("command"),
          .database = in.optional_number("database"),
          .at = in.time("at"),
          .lineage = {},
          .offset = read_offset(in, "offset"),
          .before = read_offset(in, "before"),
          .detail = in.text("detail")};
}

bool is_sound(const LogPage& page) {
  const auto is_within = [&](const auto& item) {
    return page.begin <= item.offset && item.offset <= page.end;
  };
  return names::is_valid_lineage(page.lineage) && page.begin < page.end && !page.ids.empty() &&
         page.ids.front().offset == page.begin && std::ranges::all_of(page.ids, is_within) &&
         std::ranges::is_sorted(page.ids, {}, &HistoryId::offset) &&
         std::ranges::all_of(page.events, is_within);
}

}  // namespace

Bytes encode(const LogPage& page) {
  ordered_json document = begin_document(kPageKind);
  document["source"] = page.source;
  document["shard"] = page.shard;
  document["lineage"] = page.lineage;
  document["begin"] = page.begin;
  document["end"] = page.end;
  document["previous"] = to_hex(page.previous);
  document["chain"] = to_hex(page.chain);
  document["ids"] = ordered_json::array();
  for (const HistoryId& id : page.ids) {
    document["ids"].push_back(to_json(id));
  }
  document["last"] = to_rfc3339(page.last.at);
  document["events"] = ordered_json::array();
  for (const TimelineEvent& event : page.events) {
    document["events"].push_back(to_json(event));
  }
  return deflate_page(document.dump(-1, ' ', false, ordered_json::error_handler_t::replace));
}

LogPage decode_log_page(ByteView frame) {
  const Bytes json = inflate_page(frame, kMaxLogPageBytes);
  const JsonDocument document(json, "the page", kPageKind);
  const JsonObject& root = document.root();
  LogPage page{.source = root.text("source"),
               .shard = root.text("shard"),
               .lineage = root.text("lineage"),
               .begin = read_offset(root, "begin"),
               .end = read_offset(root, "end"),
               .previous = read_digest(root, "previous"),
               .chain = read_digest(root, "chain"),
               .ids = read_list(root, "ids", read_history_id),
               .last = {},
               .events = read_list(root, "events", read_event)};
  page.last = {page.end, root.time("last")};
  for (TimelineEvent& event : page.events) {
    event.lineage = page.lineage;
  }
  if (!is_sound(page)) {
    throw Error(Side::repository, ErrorKind::corrupt, "the page is damaged: its parts do not fit");
  }
  return page;
}

}  // namespace keyrewind::catalog
