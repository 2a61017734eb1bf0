#pragma once

#include "api/timeline_json.h"
#include "catalog/timeline.h"

#include <cstddef>
#include <string>
#include <vector>

namespace keyrewind::cli {

/// The timeline as bars of `width` columns over the times that it spans: "[S====!==|  S==>]". There
/// is one bar, and a further one where windows overlap each other. Empty without windows.
std::vector<std::string> timeline_bars(const catalog::Timeline& timeline, const api::TimeSpan& span,
                                       std::size_t width);

/// All of it for people: the bars with their scale and legend, then lists, oldest first.
std::string to_text(const std::string& source, const catalog::Timeline& timeline,
                    const api::TimeSpan& span, std::size_t width);

}  // namespace keyrewind::cli
