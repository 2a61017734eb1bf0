#pragma once

#include "base/error.h"
#include "http/serving.h"

#include <nlohmann/json.hpp>

#include <string>

/// Answers of the API.
namespace keyrewind::api {

/// The status of HTTP that stands for a failure.
int http_status(const Error& error) noexcept;

/// A problem as RFC 9457 has it: {"type","title","status","detail"}.
http::ServedResponse problem(int status, const std::string& detail);

/// The same with "kind" and "exit_status": what a command would have ended with.
http::ServedResponse problem(const Error& error);

/// What is not UTF-8 is replaced.
http::ServedResponse json_response(const nlohmann::ordered_json& json, int status = 200);

}  // namespace keyrewind::api
