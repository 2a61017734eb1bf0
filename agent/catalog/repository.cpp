#include "catalog/repository.h"

#include "base/error.h"
#include "base/random.h"
#include "catalog/json_object.h"
#include "catalog/names.h"

#include <fmt/format.h>

#include <optional>
#include <string>
#include <string_view>

namespace keyrewind::catalog {
namespace {

constexpr std::string_view kRepositoryKind = "keyrewind-repository";
constexpr std::size_t kIdBytes = 16;
constexpr std::uint64_t kMaxMarkerBytes = 64U << 10;

std::string new_marker(const Clock& clock) {
  nlohmann::ordered_json document = begin_document(kRepositoryKind);
  document["id"] = random_hex(kIdBytes);
  document["created"] = to_rfc3339(clock.now());
  return to_text(document);
}

/// Whether there is a marker; throws unless it is sound and of a format that we read.
bool has_marker(const store::ObjectStore& store, const std::stop_token& stop) {
  const std::optional<Bytes> marker = store.get(names::repository(), kMaxMarkerBytes, stop);
  if (!marker) {
    return false;
  }
  const JsonDocument document(*marker, fmt::format("{} of {}", names::repository(), store.url()),
                              kRepositoryKind);
  document.root().hex("id", 2 * kIdBytes);
  return true;
}

/// Writes the marker. A failure is none if one stands there afterwards: ours, whose answer was
/// lost, or that of another source's first run.
void write_marker(store::ObjectStore& store, const Clock& clock, const std::stop_token& stop) {
  try {
    store.put_if_absent(names::repository(), as_bytes(new_marker(clock)), stop);
  } catch (const Error&) {
    if (stop.stop_requested() || !has_marker(store, stop)) {
      throw;
    }
  }
}

}  // namespace

Place inspect(const store::ObjectStore& store, std::stop_token stop) {
  if (has_marker(store, stop)) {
    return Place::repository;
  }
  // Somebody's first run may write its marker between the two looks, hence the third.
  if (store.empty(stop)) {
    return Place::nothing;
  }
  if (has_marker(store, stop)) {
    return Place::repository;
  }
  throw Error(Side::repository, ErrorKind::unavailable,
              fmt::format("{} is not a Keyrewind repository: it holds other files but no {}; check "
                          "repository.url",
                          store.url(), names::repository()));
}

void ensure_repository(store::ObjectStore& store, const Clock& clock, std::stop_token stop) {
  store.create();
  if (inspect(store, stop) == Place::nothing) {
    write_marker(store, clock, stop);
  }
  // A first run that was killed. One that is still writing its marker finds ours and is content.
  store.remove_abandoned_uploads(
      names::repository(), [](const std::string& name) { return name == names::repository(); },
      stop);
}

}  // namespace keyrewind::catalog
