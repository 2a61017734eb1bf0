#pragma once

#include "doctor/findings.h"
#include "replica/nodes.h"

#include <stop_token>

namespace keyrewind::doctor {

/// Looks at the nodes of the source, at what its user may do there, command by command, and at what
/// it costs to read from the one that would be chosen. No full sync is begun.
void examine_source(const replica::ShardOptions& options, Findings& findings, std::stop_token stop);

}  // namespace keyrewind::doctor
