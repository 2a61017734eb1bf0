#pragma once

namespace keyrewind::flow {

/// Gives the calling thread the lowest ordinary priority (nice 19): it takes what the server on the
/// same machine leaves, and never delays it. A backup needs a third of a core; on two busy cores
/// its threads would otherwise take turns with the server's child and slow the whole.
void work_in_background() noexcept;

}  // namespace keyrewind::flow
