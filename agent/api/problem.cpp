#include "api/problem.h"

#include <string_view>
#include <utility>

namespace keyrewind::api {
namespace {

using nlohmann::ordered_json;

std::string_view title_of(int status) {
  switch (status) {
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 409:
      return "Conflict";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 422:
      return "Unprocessable Content";
    case 429:
      return "Too Many Requests";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    default:
      return "Internal Server Error";
  }
}

http::ServedResponse to_response(int status, const ordered_json& json, const char* type) {
  return {.status = status,
          .headers = {{"Content-Type", type}},
          .body = json.dump(-1, ' ', false, ordered_json::error_handler_t::replace) + "\n"};
}

ordered_json to_json(int status, const std::string& detail) {
  return {
      {"type", "about:blank"}, {"title", title_of(status)}, {"status", status}, {"detail", detail}};
}

constexpr const char* kProblemType = "application/problem+json";

}  // namespace

int http_status(const Error& error) noexcept {
  switch (error.kind()) {
    case ErrorKind::config:
      return 400;
    case ErrorKind::no_backup:
      return 404;
    case ErrorKind::target_not_empty:
    case ErrorKind::busy:
      return 409;
    case ErrorKind::unavailable:
    case ErrorKind::cancelled:
      return 503;
    case ErrorKind::denied:
    case ErrorKind::protocol:
      return 502;
    case ErrorKind::corrupt:
    case ErrorKind::incompatible:
    case ErrorKind::failed:
    case ErrorKind::internal:
      return 500;
  }
  return 500;
}

http::ServedResponse problem(int status, const std::string& detail) {
  return to_response(status, to_json(status, detail), kProblemType);
}

http::ServedResponse problem(const Error& error) {
  const int status = http_status(error);
  ordered_json json = to_json(status, error.what());
  json["kind"] = to_string(error.kind());
  json["exit_status"] = static_cast<int>(exit_status(error));
  return to_response(status, json, kProblemType);
}

http::ServedResponse json_response(const ordered_json& json, int status) {
  return to_response(status, json, "application/json");
}

}  // namespace keyrewind::api
