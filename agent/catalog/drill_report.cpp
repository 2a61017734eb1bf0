#include "catalog/drill_report.h"

#include "base/error.h"
#include "base/random.h"
#include "catalog/json_object.h"
#include "catalog/names.h"

#include <fmt/format.h>

#include <limits>
#include <string_view>

namespace keyrewind::catalog {
namespace {

constexpr std::string_view kKind = "keyrewind-drill";
constexpr std::uint64_t kMaxBytes = 64U << 10U;
constexpr std::uint64_t kMaxOffset = std::numeric_limits<std::int64_t>::max();
constexpr std::size_t kRandomIdBytes = 3;

std::string encode(const DrillReport& report, const std::string& source) {
  nlohmann::ordered_json document = begin_document(kKind);
  document["id"] = report.id;
  document["source"] = source;
  document["backup"] = report.backup;
  document["ok"] = report.ok;
  document["error"] = report.error;
  document["at"] = to_rfc3339(report.at);
  document["offset"] = report.offset;
  document["lineage"] = report.lineage;
  document["server"] = report.server;
  document["keys"] = report.keys;
  document["log_bytes"] = report.log_bytes;
  document["started"] = to_rfc3339(report.started);
  document["finished"] = to_rfc3339(report.finished);
  document["node"] = report.node;
  return to_text(document);
}

DrillReport decode(ByteView content, const std::string& name) {
  const JsonDocument document(content, name, kKind);
  const JsonObject& object = document.root();
  return {.id = object.text("id"),
          .backup = object.text("backup"),
          .ok = object.boolean("ok"),
          .error = object.text("error"),
          .at = object.time("at"),
          .offset = static_cast<std::int64_t>(object.number("offset", kMaxOffset)),
          .lineage = object.text("lineage"),
          .server = object.text("server"),
          .keys = object.number("keys"),
          .log_bytes = object.number("log_bytes"),
          .started = object.time("started"),
          .finished = object.time("finished"),
          .node = object.text("node")};
}

}  // namespace

DrillReport record_drill(const Catalog& catalog, DrillReport report, std::stop_token stop) {
  report.id = fmt::format("{}-{}", to_compact(report.finished), random_hex(kRandomIdBytes));
  const std::string name = names::drill(catalog.source(), report.id, report.backup);
  if (!catalog.store().put_if_absent(name, as_bytes(encode(report, catalog.source())), stop)) {
    throw Error(Side::repository, ErrorKind::failed, fmt::format("{} is there already", name));
  }
  return report;
}

std::vector<DrillReport> read_drills(const Catalog& catalog, const std::string& backup,
                                     std::size_t most, std::stop_token stop) {
  std::vector<std::string> found;
  for (const store::ObjectInfo& object :
       catalog.store().list(names::drills(catalog.source()), stop)) {
    const auto name = names::parse_drill(catalog.source(), object.name);
    if (name && (backup.empty() || name->backup == backup)) {
      found.push_back(object.name);
    }
  }
  std::vector<DrillReport> reports;
  for (std::size_t i = found.size() > most ? found.size() - most : 0; i < found.size(); ++i) {
    if (const auto content = catalog.store().get(found[i], kMaxBytes, stop)) {
      reports.push_back(decode(*content, found[i]));
    }
  }
  return reports;
}

}  // namespace keyrewind::catalog
