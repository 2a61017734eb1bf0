#include "catalog/hold.h"

#include "base/error.h"
#include "base/log.h"
#include "base/random.h"
#include "catalog/json_object.h"
#include "catalog/names.h"
#include "catalog/repository.h"
#include "catalog/restore_request.h"
#include "flow/group.h"
#include "flow/pause.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <limits>
#include <string_view>
#include <utility>

namespace keyrewind::catalog {
namespace {

// Written to every hold: FORMAT.md, section "Holds".
constexpr std::string_view kHoldKind = "keyrewind-hold";
constexpr std::uint64_t kMaxHoldBytes = 64U << 10U;
constexpr std::size_t kRandomIdBytes = 3;
constexpr std::size_t kLineageDigits = 40;

/// A source that is no cluster has this one shard.
const std::string kOnlyShard = "0";

std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "unknown";
}

/// Nothing if it has gone or cannot be read. Its holder writes another one before long.
std::optional<Hold> read_hold(const store::ObjectStore& store, const std::string& object,
                              const std::stop_token& stop) {
  try {
    const std::optional<Bytes> content = store.get(object, kMaxHoldBytes, stop);
    return content ? std::optional(decode_hold(*content)) : std::nullopt;
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::corrupt && error.kind() != ErrorKind::incompatible) {
      throw;
    }
    log::warn("hold cannot be read", {{"object", object}, {"error", error.what()}});
    return std::nullopt;
  }
}

/// A pending restore request holds what its restore will read: the backup that it names, or, since
/// only the timeline knows what a moment needs, everything.
std::optional<Hold> hold_of_request(const Catalog& catalog, const std::stop_token& stop) {
  Hold hold;
  hold.until = Timestamp::max();
  try {
    const auto status = newest_restore_request(catalog, stop);
    if (!status || !status->is_pending(kOnlyShard)) {
      return std::nullopt;
    }
    const RestoreRequest& request = status->request;
    hold.by = fmt::format("restore request {} by {}", request.number, request.by);
    hold.everything = request.backup.empty() || !request.at.empty();
    hold.backup = request.backup;
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::corrupt && error.kind() != ErrorKind::incompatible) {
      throw;
    }
    log::warn("restore request cannot be read, so everything is kept for it",
              {{"error", error.what()}});
    hold.by = "a restore request that cannot be read";
    hold.everything = true;
  }
  return hold;
}

Error removed(const std::string& what) {
  return {Side::repository, ErrorKind::no_backup,
          fmt::format("{} was removed by retention just now; 'keyrewind timeline' shows what can "
                      "be restored",
                      what)};
}

}  // namespace

std::string encode(const Hold& hold) {
  nlohmann::ordered_json document = begin_document(kHoldKind);
  document["id"] = hold.id;
  document["by"] = hold.by;
  document["everything"] = hold.everything;
  document["backup"] = hold.backup;
  document["lineage"] = nullptr;
  if (!hold.lineage.empty()) {
    document["lineage"] = hold.lineage;
  }
  document["offset"] = hold.offset;
  document["until"] = to_rfc3339(hold.until);
  return to_text(document);
}

Hold decode_hold(ByteView json) {
  const JsonDocument document(json, "the hold", kHoldKind);
  const JsonObject& root = document.root();
  Hold hold;
  hold.id = root.text("id");
  hold.by = root.text("by");
  hold.everything = root.boolean("everything");
  hold.backup = root.text("backup");
  if (root.has("lineage")) {
    hold.lineage = root.hex("lineage", kLineageDigits);
  }
  hold.offset = static_cast<std::int64_t>(
      root.number("offset", static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())));
  hold.until = root.time("until");
  return hold;
}

Holds list_holds(const Catalog& catalog, Timestamp now, std::stop_token stop) {
  Holds holds;
  const store::ObjectStore& store = catalog.store();
  for (const store::ObjectInfo& object : store.list(names::holds(catalog.source()), stop)) {
    if (!names::id_of_hold(catalog.source(), object.name)) {
      continue;
    }
    std::optional<Hold> hold = read_hold(store, object.name, stop);
    if (hold && hold->until + kHoldGrace > now) {
      holds.in_force.push_back(*std::move(hold));
    } else {
      holds.ended.push_back(object.name);
    }
  }
  if (std::optional<Hold> hold = hold_of_request(catalog, stop)) {
    holds.in_force.push_back(*std::move(hold));
  }
  return holds;
}

ReadHold::ReadHold(const Catalog& catalog, HoldRequest request, const Clock& clock,
                   std::stop_token stop)
    : catalog_(catalog), request_(std::move(request)), clock_(clock) {
  // In a place that is no repository nothing may be written.
  if (inspect(catalog.store(), stop) == Place::nothing || !write(stop)) {
    return;
  }
  try {
    check(stop);
  } catch (const Error&) {
    remove(object_);
    throw;
  }
  thread_ = std::make_unique<flow::Group>(std::stop_token());
  thread_->spawn("hold", [this](const std::stop_token& inner) { renew_for_ever(inner); });
}

ReadHold::~ReadHold() {
  thread_.reset();
  if (held()) {
    remove(object_);
  }
}

/// Returns whether the repository took it.
bool ReadHold::write(const std::stop_token& stop) {
  Hold hold;
  hold.id = fmt::format("{}-{}", to_compact(clock_.now()), random_hex(kRandomIdBytes));
  hold.by = fmt::format("{} on {}", request_.by, host_name());
  hold.everything = !request_.backup;
  hold.backup = request_.backup ? request_.backup->id : std::string();
  hold.lineage = request_.lineage;
  hold.offset = request_.offset;
  hold.until = clock_.now() + kHoldTime;
  const std::string name = names::hold(catalog_.source(), hold.id);
  try {
    if (!catalog_.store().put_if_absent(name, as_bytes(encode(hold)), stop)) {
      throw Error(Side::repository, ErrorKind::failed,
                  fmt::format("object {} is there already", name));
    }
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::cancelled) {
      throw;
    }
    log::warn("repository could not be told what is being read; retention may remove it meanwhile",
              {{"by", request_.by}, {"error", error.what()}});
    return false;
  }
  if (held()) {
    remove(object_);
  }
  object_ = name;
  return true;
}

/// Whoever removes a backup, or log, makes that visible first and then looks for holds. So one of
/// us sees the other.
void ReadHold::check(const std::stop_token& stop) const {
  const store::ObjectStore& store = catalog_.store();
  const std::string& source = catalog_.source();
  if (request_.backup) {
    const Commit& commit = *request_.backup;
    if (!store.head(names::commit(source, commit.sequence, commit.id), stop)) {
      throw removed("backup " + commit.id);
    }
  }
  if (request_.lineage.empty()) {
    return;
  }
  const std::string trims = names::trims(source, kOnlyShard, request_.lineage);
  for (const store::ObjectInfo& object : store.list(trims, stop)) {
    const auto trim = names::parse_trim(source, kOnlyShard, object.name);
    if (trim && trim->offset > request_.offset) {
      throw removed(fmt::format("the log of lineage {} from offset {} on", request_.lineage,
                                request_.offset));
    }
  }
}

/// What stays ends by itself.
void ReadHold::remove(const std::string& object) const noexcept {
  try {
    catalog_.store().remove(object, {});
  } catch (const std::exception& error) {
    log::debug("hold not removed; it ends by itself",
               {{"object", object}, {"error", error.what()}});
  }
}

void ReadHold::renew_for_ever(const std::stop_token& stop) {
  try {
    while (!stop.stop_requested()) {
      flow::pause(kHoldTime / 3, stop);
      if (!stop.stop_requested()) {
        write(stop);
      }
    }
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::cancelled) {
      throw;
    }
  }
}

}  // namespace keyrewind::catalog
