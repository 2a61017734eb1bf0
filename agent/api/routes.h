#pragma once

#include "api/call.h"
#include "api/gate.h"

#include <string>
#include <vector>

namespace keyrewind::api {

/// One thing that can be asked for.
struct Route {
  std::string method;
  std::string path;  ///< "/api/v1/backups/{id}"; a name in braces stands for any one segment, but
                     ///< for what follows it there, such as ":pause".
  Access access = Access::read;
  http::Answer (*answer)(Call& call) = nullptr;
};

/// All that ask the agent; those of /metrics, the console and the document are the Api's own.
std::vector<Route> agent_routes();
std::vector<Route> backup_routes();

/// What the {names} of `path` stand for in the segments of a request; nothing if it doesn't match.
std::optional<std::map<std::string, std::string>> match(const std::string& path,
                                                        const std::vector<std::string>& segments);

}  // namespace keyrewind::api
