#pragma once

#include <chrono>
#include <stop_token>
#include <string>
#include <vector>

namespace keyrewind::cli {

/// What a run of this program said, and how it ended: as a shell has it in $?, or -1 if it took too
/// long.
struct SelfRun {
  int status = 0;
  std::string out;
  std::string err;
};

/// Runs this program once more with these arguments. Throws Error(failed) if it can't be started
/// and Error(cancelled) on `stop`; it is killed then, and after `limit`.
SelfRun run_self(const std::vector<std::string>& arguments, std::chrono::milliseconds limit,
                 std::stop_token stop);

}  // namespace keyrewind::cli
