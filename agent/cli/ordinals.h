#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>

/// Which pods of a StatefulSet a command is meant for.
namespace keyrewind::cli {

/// "0", "0,2" or "0-2,5". Throws Error(config) for anything else.
std::set<std::uint64_t> parse_ordinals(const std::string& text);

/// The number of the pod that this runs in: that of KEYREWIND_POD_INDEX, else the end of POD_NAME,
/// else of HOSTNAME, which a pod has its name in: "orders-2". Nothing if none of them has one.
/// Throws Error(config) if KEYREWIND_POD_INDEX is no number.
std::optional<std::uint64_t> ordinal_of_pod();

/// The pod or host that this runs on, for people: POD_NAME, HOSTNAME, or the kernel's name of it.
std::string name_of_node();

}  // namespace keyrewind::cli
