#include "doctor/findings.h"

#include <algorithm>
#include <array>
#include <utility>

namespace keyrewind::doctor {
namespace {

// In the order of Outcome. They are in the JSON: never rename.
constexpr std::array<std::string_view, 3> kOutcomes{"ok", "note", "problem"};

}  // namespace

std::string_view to_string(Outcome outcome) noexcept {
  return kOutcomes[static_cast<std::size_t>(outcome)];
}

void Findings::ok(std::string_view check, std::string message) {
  all_.push_back({std::string(check), Outcome::ok, std::move(message)});
}

void Findings::note(std::string_view check, std::string message) {
  all_.push_back({std::string(check), Outcome::note, std::move(message)});
}

void Findings::problem(std::string_view check, const Error& error) {
  all_.push_back({std::string(check), Outcome::problem, error.what()});
  if (!first_problem_) {
    first_problem_ = error;
  }
}

bool Findings::look(std::string_view check, const std::function<void()>& look) {
  try {
    look();
    return true;
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::cancelled) {
      throw;
    }
    problem(check, error);
    return false;
  }
}

bool Findings::has_notes() const noexcept {
  return std::any_of(all_.begin(), all_.end(),
                     [](const Finding& finding) { return finding.outcome == Outcome::note; });
}

}  // namespace keyrewind::doctor
