#pragma once

#include "api/agent_control.h"
#include "base/clock.h"
#include "http/serving.h"

#include <nlohmann/json.hpp>

#include <cstddef>
#include <map>
#include <optional>
#include <string>

namespace keyrewind::api {

class Idempotency;

/// One request on its way through its route.
struct Call {
  const http::ServedRequest& request;
  AgentControl& control;
  Idempotency& idempotency;
  std::map<std::string, std::string> captured;  ///< What the {names} of the path stand for.

  // Each throws Error(config) naming the parameter that is wrong.

  std::optional<Timestamp> time(const std::string& name) const;
  /// Between 1 and `most`.
  std::size_t number(const std::string& name, std::size_t usual, std::size_t most) const;
  /// Throws, too, if there is a query parameter that isn't one of `names`.
  void allow_only(std::initializer_list<const char*> names) const;

  /// The body as a JSON object with no other members than `names`; an empty body is an empty
  /// object.
  nlohmann::ordered_json body(std::initializer_list<const char*> names) const;
};

/// A member of a body. Throws Error(config) if it is of another type.
std::optional<std::string> text_member(const nlohmann::ordered_json& json, const std::string& name);
std::optional<bool> flag_member(const nlohmann::ordered_json& json, const std::string& name);

}  // namespace keyrewind::api
