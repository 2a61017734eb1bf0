#pragma once

#include "doctor/findings.h"

#include <cstdint>
#include <filesystem>

namespace keyrewind::doctor {

/// Looks whether the spool's folder can be written, how fast, and whether its disk has room for
/// `max_bytes`. Writes a file of some MiB there and removes it.
void examine_spool(const std::filesystem::path& folder, std::uint64_t max_bytes,
                   Findings& findings);

}  // namespace keyrewind::doctor
