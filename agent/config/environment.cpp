#include "config/environment.h"

#include "config/suggest.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <regex>
#include <vector>

namespace keyrewind::config {
namespace {

constexpr std::string_view kPrefix = "KEYREWIND_";

/// Variables that mean something, but no option.
constexpr std::array<std::string_view, 2> kOthers{"KEYREWIND_CONFIG_YAML",
                                                  "KEYREWIND_REQUIRE_SERVERS"};

/// Kubernetes sets KEYREWIND_SERVICE_HOST, KEYREWIND_PORT_8379_TCP_ADDR and their like in every pod
/// of a namespace that has a Service called "keyrewind" or "keyrewind-something". Nobody wrote
/// them, so nobody can be told to correct them. No option is called so: theirs have "__".
bool is_from_kubernetes(const std::string& name) {
  constexpr std::size_t kMaxName = 256;
  static const std::regex kPattern(
      "KEYREWIND_([A-Z0-9_]+_)?"
      "(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?"
      ")");
  return name.size() <= kMaxName && name.find("__") == std::string::npos &&
         std::regex_match(name, kPattern);
}

bool is_documented_elsewhere(const std::string& name) {
  return std::find(kOthers.begin(), kOthers.end(), name) != kOthers.end();
}

const Option* option_of(std::string_view variable) {
  const auto& all = options();
  const auto found = std::find_if(all.begin(), all.end(), [&](const Option& option) {
    return variable_of(option.path) == variable;
  });
  return found == all.end() ? nullptr : &*found;
}

/// Whether the variable is of a feature that this version does not have.
bool is_unavailable(std::string_view variable) {
  const auto all = unavailable();
  return std::any_of(all.begin(), all.end(), [&](std::string_view path) {
    const std::string name = variable_of(path);
    return variable == name || variable.starts_with(name + "__");
  });
}

std::string unknown_variable(std::string_view variable) {
  if (is_unavailable(variable)) {
    return "is of a feature that is not available in this version";
  }
  std::vector<std::string> names;
  for (const Option& option : options()) {
    names.push_back(variable_of(option.path));
  }
  names.emplace_back(kOthers.front());
  // All begin alike, so only what follows says how near they are.
  std::vector<std::string_view> ends;
  for (const std::string& name : names) {
    ends.push_back(std::string_view(name).substr(kPrefix.size()));
  }
  const std::string_view end = nearest(variable.substr(kPrefix.size()), ends);
  const std::string suggestion =
      end.empty() ? std::string() : fmt::format("; did you mean '{}{}'?", kPrefix, end);
  return "unknown variable" + suggestion;
}

}  // namespace

Environment environment_of_process() {
  Environment environment;
  for (char** entry = ::environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const auto equals = text.find('=');
    if (equals != std::string_view::npos) {
      environment.emplace(text.substr(0, equals), text.substr(equals + 1));
    }
  }
  return environment;
}

void read_environment(const Environment& environment, Draft& draft) {
  for (auto variable = environment.lower_bound(std::string(kPrefix));
       variable != environment.end() && variable->first.starts_with(kPrefix); ++variable) {
    const auto& [name, value] = *variable;
    if (const Option* option = option_of(name)) {
      draft.set(*option, {.text = value, .shown = value}, {name});
    } else if (!is_documented_elsewhere(name) && !is_from_kubernetes(name)) {
      draft.add_problem({name}, unknown_variable(name));
    }
  }
}

}  // namespace keyrewind::config
