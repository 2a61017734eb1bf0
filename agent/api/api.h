#pragma once

#include "api/agent_control.h"
#include "api/gate.h"
#include "api/idempotency.h"
#include "api/routes.h"
#include "http/serving.h"

#include <chrono>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace keyrewind::api {

struct ApiOptions {
  AuthOptions auth{};
  /// What Prometheus reads, version 0.0.4 of its text format.
  std::function<std::string()> metrics = [] { return std::string(); };
  /// Told of each answer: the path of its route ("other" if there was none), its status, and how
  /// long it took. Called by several threads at once.
  std::function<void(const std::string& route, int status, std::chrono::microseconds duration)>
      on_answer = [](const std::string&, int, std::chrono::microseconds) {};
};

/// Answers what openapi.json describes, and /: a page that shows the most of it.
class Api final : public http::Handler {
 public:
  /// `control` must outlive it. Throws what Gate throws.
  Api(AgentControl& control, ApiOptions options);

  bool is_quick(const http::ServedRequest& request) const override;
  http::Answer handle(const http::ServedRequest& request) override;
  http::ServedResponse refuse(int status) const override;

  /// Method and path of each route.
  std::vector<std::pair<std::string, std::string>> routes() const;

 private:
  struct Found;

  Found find(const http::ServedRequest& request) const;
  http::Answer answer(const http::ServedRequest& request, const Found& found);
  http::Answer finish(http::Answer answer, const http::ServedRequest& request,
                      const std::string& route, std::chrono::steady_clock::time_point began) const;
  /// Of the routes that no agent is asked for.
  std::optional<http::ServedResponse> own_answer(const std::string& path) const;

  AgentControl& control_;
  const ApiOptions options_;
  const std::vector<Route> routes_;
  Gate gate_;
  Idempotency idempotency_;
};

/// The document that describes the API, as it stands in openapi.json.
std::string_view openapi_document() noexcept;
/// The files of the console.
std::string_view console_page() noexcept;
std::string_view console_script() noexcept;
std::string_view console_style() noexcept;

}  // namespace keyrewind::api
