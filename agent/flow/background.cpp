#include "flow/background.h"

#include <sys/resource.h>
#include <unistd.h>

namespace keyrewind::flow {

void work_in_background() noexcept {
  // Linux keeps the priority per thread; lowering it needs no right, so there is nothing to report.
  setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), 19);
}

}  // namespace keyrewind::flow
