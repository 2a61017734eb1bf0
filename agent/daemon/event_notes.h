#pragma once

#include "backup/spool.h"
#include "base/clock.h"

#include <cstdint>
#include <string>

namespace keyrewind::daemon {

/// Notes what happens to a log, for the catalog. The notes wait in the spool until the repository
/// takes them; a note that even the spool does not take is only logged. Any thread.
class EventNotes {
 public:
  /// Both must outlive the notes.
  EventNotes(backup::Spool& spool, const Clock& clock) : spool_(spool), clock_(clock) {}

  /// `kind` and `detail` as catalog::Event has them; it happened now, at `offset` of `lineage`.
  void note(const std::string& kind, const std::string& lineage, std::int64_t offset,
            const std::string& detail);

 private:
  backup::Spool& spool_;
  const Clock& clock_;
};

}  // namespace keyrewind::daemon
