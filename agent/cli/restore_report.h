#pragma once

#include "restore/moment.h"
#include "restore/restore_plan.h"

#include <nlohmann/json.hpp>

#include <string>

/// What a restore says of itself.
namespace keyrewind::cli {

/// Tells what happens, one line a fact: on stdout as text, or gathered for one JSON object.
class Teller {
 public:
  explicit Teller(bool json) : json_(json) {}

  void say(const std::string& line) const;
  void finish(const nlohmann::ordered_json& object) const;

 private:
  const bool json_;
};

nlohmann::ordered_json to_json(const restore::RestorePlan& plan, const restore::RestorePoint& point,
                               const std::string& outcome);

/// What was chosen, from when, how much, how long, and where to. `repository` is its URL.
void describe(const restore::RestorePlan& plan, const restore::RestorePoint& point,
              const std::string& repository, const Teller& teller);

}  // namespace keyrewind::cli
