#include "config/environment.h"

#include "config/suggest.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <vector>

namespace keyrewind::config {
namespace {

constexpr std::string_view kPrefix = "KEYREWIND_";

/// Variables that mean something, but no option.
constexpr std::array<std::string_view, 3> kOthers{"KEYREWIND_CONFIG_YAML", "KEYREWIND_POD_INDEX",
                                                  "KEYREWIND_REQUIRE_SERVERS"};

std::vector<std::string_view> words_of(std::string_view name) {
  std::vector<std::string_view> words;
  while (true) {
    const auto underscore = name.find('_');
    words.push_back(name.substr(0, underscore));
    if (underscore == std::string_view::npos) {
      return words;
    }
    name.remove_prefix(underscore + 1);
  }
}

bool is_number(std::string_view word) {
  return !word.empty() && word.find_first_not_of("0123456789") == std::string_view::npos;
}

bool is_protocol(std::string_view word) {
  return word == "TCP" || word == "UDP" || word == "SCTP";
}

/// Kubernetes sets KEYREWIND_SERVICE_HOST, KEYREWIND_PORT_8379_TCP_ADDR and their like in every pod
/// of a namespace that has a Service called "keyrewind" or "keyrewind-something". Nobody wrote
/// them, so nobody can be told to correct them. No option is called so: theirs have "__".
bool is_from_kubernetes(std::string_view name) {
  if (name.find("__") != std::string_view::npos) {
    return false;
  }
  std::vector<std::string_view> words = words_of(name.substr(kPrefix.size()));
  const std::array<std::string_view, 2> service_port{"SERVICE", "PORT"};
  if (std::search(words.begin(), words.end(), service_port.begin(), service_port.end()) !=
      words.end()) {
    return true;
  }
  const std::string_view last = words.back();
  if (last == "PORT" || (last == "HOST" && words.size() > 1 && words.end()[-2] == "SERVICE")) {
    return true;
  }
  if (last == "PROTO" || last == "ADDR") {
    words.pop_back();
  }
  return words.size() >= 3 && words.end()[-3] == "PORT" && is_number(words.end()[-2]) &&
         is_protocol(words.end()[-1]);
}

bool is_documented_elsewhere(const std::string& name) {
  return std::find(kOthers.begin(), kOthers.end(), name) != kOthers.end();
}

const Option* option_of(std::string_view variable) {
  for (const std::vector<Option>* all : {&options(), &entry_options()}) {
    for (const Option& option : *all) {
      if (variable_of(option.path) == variable) {
        return &option;
      }
    }
  }
  return nullptr;
}

std::string unknown_variable(std::string_view variable) {
  std::vector<std::string> names;
  for (const std::vector<Option>* all : {&options(), &entry_options()}) {
    for (const Option& option : *all) {
      names.push_back(variable_of(option.path));
    }
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
