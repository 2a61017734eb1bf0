#include "catalog/restore_request.h"

#include "base/error.h"
#include "base/random.h"
#include "catalog/json_object.h"
#include "catalog/names.h"
#include "catalog/repository.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string_view>
#include <utility>
#include <vector>

namespace keyrewind::catalog {
namespace {

constexpr std::string_view kRequestKind = "keyrewind-restore-request";
constexpr std::string_view kCancellationKind = "keyrewind-restore-cancellation";
constexpr std::string_view kOutcomeKind = "keyrewind-restore-outcome";
constexpr std::string_view kFailureKind = "keyrewind-restore-failure";

constexpr std::uint64_t kMaxBytes = 64U << 10U;
constexpr std::uint64_t kMaxOffset = std::numeric_limits<std::int64_t>::max();
constexpr std::size_t kRandomIdBytes = 3;

/// Reads one of the objects, which its name in the listing says is there, with `read`.
template <typename Read>
auto read_object(const Catalog& catalog, const std::string& name, std::string_view kind,
                 const Read& read, const std::stop_token& stop) {
  const std::optional<Bytes> content = catalog.store().get(name, kMaxBytes, stop);
  if (!content) {
    throw Error(Side::repository, ErrorKind::corrupt, fmt::format("{} is missing", name));
  }
  const JsonDocument document(*content, name, kind);
  return read(document.root());
}

RestoreRequest read_request(const Catalog& catalog, std::uint64_t number,
                            const std::stop_token& stop) {
  return read_object(
      catalog, names::restore_request(catalog.source(), number), kRequestKind,
      [&](const JsonObject& object) {
        RestoreRequest request{.number = object.number("number"),
                               .created = object.time("created"),
                               .backup = object.text("backup"),
                               .at = object.text("at"),
                               .by = object.text("by")};
        if (request.number != number || object.text("source") != catalog.source()) {
          throw Error(Side::repository, ErrorKind::corrupt,
                      fmt::format("{} does not fit its name", object.what()));
        }
        return request;
      },
      stop);
}

RestoreOutcome read_outcome(const Catalog& catalog, const std::string& name,
                            const std::stop_token& stop) {
  return read_object(
      catalog, name, kOutcomeKind,
      [](const JsonObject& object) {
        return RestoreOutcome{
            .backup = object.text("backup"),
            .at = object.time("at"),
            .offset = static_cast<std::int64_t>(object.number("offset", kMaxOffset)),
            .bytes = object.number("bytes"),
            .seconds = static_cast<double>(object.number("milliseconds")) / 1000.0,
            .finished = object.time("finished"),
            .node = object.text("node")};
      },
      stop);
}

RestoreFailure read_failure(const Catalog& catalog, const std::string& name,
                            const std::stop_token& stop) {
  return read_object(
      catalog, name, kFailureKind,
      [](const JsonObject& object) {
        return RestoreFailure{
            .at = object.time("at"), .error = object.text("error"), .node = object.text("node")};
      },
      stop);
}

bool put(const Catalog& catalog, const std::string& name, const nlohmann::ordered_json& document,
         const std::stop_token& stop) {
  return catalog.store().put_if_absent(name, as_bytes(to_text(document)), stop);
}

/// The word between `folder` and ".json" in `name`, if there is just that.
std::optional<std::string> word_in(const std::string& folder, const std::string& name) {
  constexpr std::string_view kEnd = ".json";
  if (!name.starts_with(folder) || !name.ends_with(kEnd)) {
    return std::nullopt;
  }
  const std::string word = name.substr(folder.size(), name.size() - folder.size() - kEnd.size());
  return names::is_valid_source(word) ? std::optional(word) : std::nullopt;
}

/// The last failure in a folder of them, which sort by time.
void read_last_failure(const Catalog& catalog, const std::vector<std::string>& objects,
                       const std::string& shard, RestoreRequestStatus& status,
                       const std::stop_token& stop) {
  const std::string folder =
      names::restore_failures(catalog.source(), status.request.number, shard);
  const auto last = std::ranges::find_if(
      objects.rbegin(), objects.rend(),
      [&](const std::string& name) { return word_in(folder, name).has_value(); });
  if (last != objects.rend()) {
    status.failures[shard] = read_failure(catalog, *last, stop);
  }
}

/// The shards in whose folder of failures any of `objects` stands.
std::vector<std::string> shards_with_failures(const std::string& folder,
                                              const std::vector<std::string>& objects) {
  std::vector<std::string> shards;
  for (const std::string& name : objects) {
    const std::size_t slash =
        name.starts_with(folder) ? name.find('/', folder.size()) : std::string::npos;
    if (slash == std::string::npos) {
      continue;
    }
    std::string shard = name.substr(folder.size(), slash - folder.size());
    if (names::is_valid_source(shard) && (shards.empty() || shards.back() != shard)) {
      shards.push_back(std::move(shard));
    }
  }
  return shards;
}

}  // namespace

std::optional<RestoreRequestStatus> newest_restore_request(const Catalog& catalog,
                                                           std::stop_token stop) {
  const std::string& source = catalog.source();
  std::vector<std::string> objects;
  std::uint64_t number = 0;
  for (const store::ObjectInfo& object :
       catalog.store().list(names::restore_requests(source), stop)) {
    objects.push_back(object.name);
    number = std::max(number, names::parse_restore_request(source, object.name).value_or(0));
  }
  if (number == 0) {
    return std::nullopt;
  }
  RestoreRequestStatus status{read_request(catalog, number, stop), std::nullopt, {}, {}};
  const std::string cancellation = names::restore_cancellation(source, number);
  const std::string request = names::restore_request(source, number);
  const std::string folder =
      request.substr(0, request.size() - std::string_view(".json").size()) + "/";
  for (const std::string& name : objects) {
    if (name == cancellation) {
      status.cancelled = read_object(
          catalog, name, kCancellationKind,
          [](const JsonObject& object) { return object.time("created"); }, stop);
    } else if (const auto shard = word_in(folder, name)) {
      status.outcomes[*shard] = read_outcome(catalog, name, stop);
    }
  }
  for (const std::string& shard : shards_with_failures(folder, objects)) {
    if (!status.outcomes.contains(shard)) {
      read_last_failure(catalog, objects, shard, status, stop);
    }
  }
  return status;
}

RestoreRequest request_restore(const Catalog& catalog, RestoreRequest request,
                               const std::string& shard, const Clock& clock, std::stop_token stop) {
  const auto newest = newest_restore_request(catalog, stop);
  const auto busy = [](std::uint64_t number) {
    return Error(Side::repository, ErrorKind::busy,
                 fmt::format("restore request {} is pending; cancel it first with 'keyrewind "
                             "restore request --cancel'",
                             number));
  };
  if (newest && newest->is_pending(shard)) {
    throw busy(newest->request.number);
  }
  request.number = newest ? newest->request.number + 1 : 1;
  request.created = std::chrono::floor<std::chrono::milliseconds>(clock.now());
  nlohmann::ordered_json document = begin_document(kRequestKind);
  document["number"] = request.number;
  document["source"] = catalog.source();
  document["created"] = to_rfc3339(request.created);
  document["backup"] = request.backup;
  document["at"] = request.at;
  document["by"] = request.by;
  if (!put(catalog, names::restore_request(catalog.source(), request.number), document, stop)) {
    throw busy(request.number);
  }
  return request;
}

void cancel_restore_request(const Catalog& catalog, std::uint64_t number, const Clock& clock,
                            std::stop_token stop) {
  nlohmann::ordered_json document = begin_document(kCancellationKind);
  document["created"] = to_rfc3339(clock.now());
  put(catalog, names::restore_cancellation(catalog.source(), number), document, stop);
}

bool note_restore_outcome(const Catalog& catalog, std::uint64_t number, const std::string& shard,
                          const RestoreOutcome& outcome, std::stop_token stop) {
  nlohmann::ordered_json document = begin_document(kOutcomeKind);
  document["backup"] = outcome.backup;
  document["at"] = to_rfc3339(outcome.at);
  document["offset"] = outcome.offset;
  document["bytes"] = outcome.bytes;
  document["milliseconds"] = static_cast<std::uint64_t>(std::llround(outcome.seconds * 1000.0));
  document["finished"] = to_rfc3339(outcome.finished);
  document["node"] = outcome.node;
  return put(catalog, names::restore_outcome(catalog.source(), number, shard), document, stop);
}

void note_restore_failure(const Catalog& catalog, std::uint64_t number, const std::string& shard,
                          const RestoreFailure& failure, std::stop_token stop) {
  const auto newest = newest_restore_request(catalog, stop);
  if (newest) {
    const auto last = newest->failures.find(shard);
    if (last != newest->failures.end() && last->second.error == failure.error) {
      return;
    }
  }
  nlohmann::ordered_json document = begin_document(kFailureKind);
  document["at"] = to_rfc3339(failure.at);
  document["error"] = failure.error;
  document["node"] = failure.node;
  put(catalog,
      fmt::format("{}{}-{}.json", names::restore_failures(catalog.source(), number, shard),
                  to_compact(failure.at), random_hex(kRandomIdBytes)),
      document, stop);
}

}  // namespace keyrewind::catalog
