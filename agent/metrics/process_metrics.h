#pragma once

#include <string>

namespace keyrewind::metrics {

/// The standard metrics of this process, in the text format 0.0.4: process_cpu_seconds_total,
/// process_resident_memory_bytes, process_virtual_memory_bytes, process_open_fds, process_max_fds,
/// process_start_time_seconds. One that the system does not tell is left out. Any thread.
std::string process_text();

}  // namespace keyrewind::metrics
