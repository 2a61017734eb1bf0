#pragma once

#include <functional>
#include <map>
#include <optional>
#include <stop_token>
#include <string>

namespace keyrewind::cli {

/// What somebody who helps wants to know, by the names of files, with nothing that is secret:
/// what the program's own commands print (version, config, list, timeline, status, doctor), and
/// facts about the machine. A command that fails is told with its message. `told` gets the name of
/// each file before it is made. Throws Error(cancelled) on `stop`.
std::map<std::string, std::string> support_files(
    const std::optional<std::string>& config_file,
    const std::function<void(const std::string&)>& told, std::stop_token stop);

}  // namespace keyrewind::cli
