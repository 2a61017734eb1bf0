#include "doctor/spool.h"

#include "base/bytes.h"
#include "base/random.h"
#include "base/size.h"
#include "io/file.h"

#include <fmt/format.h>

#include <chrono>
#include <string>
#include <system_error>

namespace keyrewind::doctor {
namespace {

namespace fs = std::filesystem;

constexpr const char* kCheck = "spool";
constexpr std::size_t kTrialBytes = 16U << 20U;

/// A busy server writes so much; a slower disk makes the agent let go of it.
constexpr double kSlowBytesPerSecond = 20.0 * (1U << 20U);

/// The folder itself, or the nearest one above it that is there.
fs::path existing_part(fs::path folder) {
  std::error_code missing;
  while (!fs::exists(folder, missing) && folder.has_relative_path()) {
    folder = folder.parent_path();
  }
  return folder;
}

/// Bytes a second that its disk takes.
double speed_of(const fs::path& folder) {
  const fs::path path = folder / fmt::format("keyrewind-doctor-{}", random_hex(8));
  const auto begin = std::chrono::steady_clock::now();
  {
    io::AtomicFile file(path, Side::here);
    file.append(Bytes(kTrialBytes));
    file.commit();
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  std::error_code ignored;
  fs::remove(path, ignored);
  return static_cast<double>(kTrialBytes) / took.count();
}

}  // namespace

void examine_spool(const fs::path& folder, std::uint64_t max_bytes, Findings& findings) {
  const fs::path there = existing_part(folder);
  const std::uint64_t free = io::free_bytes(there, Side::here);
  const std::string text = fmt::format("{}: {} free for log.spool.max_size of {}", folder.string(),
                                       to_human_size(free), to_human_size(max_bytes));
  if (free < max_bytes) {
    findings.note(kCheck, text + "; give it more room, or make log.spool.max_size smaller");
  } else {
    findings.ok(kCheck, text);
  }
  const double speed = speed_of(there);
  const std::string how_fast = fmt::format("{} takes {} a second", there.string(),
                                           to_human_size(static_cast<std::uint64_t>(speed)));
  if (speed < kSlowBytesPerSecond) {
    findings.note(kCheck, how_fast + ", which a busy server may outrun; use a faster disk");
  } else {
    findings.ok(kCheck, how_fast);
  }
}

}  // namespace keyrewind::doctor
