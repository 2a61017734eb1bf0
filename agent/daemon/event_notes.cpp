#include "daemon/event_notes.h"

#include "base/error.h"
#include "base/log.h"
#include "base/random.h"

namespace keyrewind::daemon {

void EventNotes::note(const std::string& kind, const std::string& lineage, std::int64_t offset,
                      const std::string& detail) {
  const Timestamp now = clock_.now();
  try {
    spool_.note({.id = to_compact(now) + "-" + random_hex(3),
                 .kind = kind,
                 .lineage = lineage,
                 .offset = offset,
                 .at = now,
                 .detail = detail});
  } catch (const Error& error) {
    log::error("event not kept", {{"kind", kind}, {"error", error.what()}});
  }
}

}  // namespace keyrewind::daemon
