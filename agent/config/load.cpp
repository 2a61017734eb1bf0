#include "config/load.h"

#include "base/bytes.h"
#include "base/error.h"
#include "config/draft.h"
#include "config/environment.h"
#include "config/yaml_reader.h"
#include "io/file.h"

#include <fmt/format.h>

#include <filesystem>
#include <utility>

namespace keyrewind::config {
namespace {

constexpr const char* kDefaultFile = "/etc/keyrewind/config.yaml";
constexpr const char* kYamlVariable = "KEYREWIND_CONFIG_YAML";
constexpr const char* kVariablesAlone = "environment";
constexpr std::uint64_t kMaxFileBytes = 1 << 20;

/// Enough to see what is wrong with a file, few enough to scroll through.
constexpr std::size_t kMaxListed = 50;

/// The configuration's text and what it is called; a text is absent if the variables are all
/// there is.
struct Origin {
  std::string name;
  std::optional<std::string> yaml;
};

std::string read_text(const std::string& file) {
  try {
    return std::string(as_text(io::read_file(file, kMaxFileBytes, Side::here)));
  } catch (const Error& error) {
    throw Error(ErrorKind::config, fmt::format("configuration: {}", error.what()));
  }
}

Origin find_origin(const std::optional<std::string>& file, const Environment& environment) {
  const std::string name = origin(file, environment);
  if (name == kVariablesAlone) {
    return {name, std::nullopt};
  }
  return {name, name == kYamlVariable && !file ? environment.at(kYamlVariable) : read_text(name)};
}

std::vector<Problem> problems_of(const Draft& draft) {
  std::vector<Problem> problems;
  for (const Draft::Mistake& mistake : draft.mistakes()) {
    problems.push_back({mistake.place.text(), mistake.message});
  }
  return problems;
}

void throw_if_any(const std::vector<Problem>& problems) {
  if (problems.empty()) {
    return;
  }
  std::string message;
  if (problems.size() > 1) {
    message = fmt::format("{} mistakes in the configuration\n", problems.size());
  }
  std::size_t listed = 0;
  for (const Problem& problem : problems) {
    if (listed == kMaxListed) {
      message += fmt::format("and {} more\n", problems.size() - listed);
      break;
    }
    message += fmt::format("{}: {}\n", problem.place, problem.message);
    ++listed;
  }
  message.pop_back();
  throw Error(ErrorKind::config, std::move(message));
}

}  // namespace

std::string origin(const std::optional<std::string>& file, const Environment& environment) {
  if (file) {
    return *file;
  }
  if (environment.contains(kYamlVariable)) {
    return kYamlVariable;
  }
  // One that cannot be looked at counts as there: reading it then says why.
  std::error_code failure;
  const bool is_there = std::filesystem::exists(kDefaultFile, failure) || failure;
  return is_there ? kDefaultFile : kVariablesAlone;
}

Config load(const std::optional<std::string>& file, const Environment& environment) {
  const Origin found = find_origin(file, environment);
  Draft draft;
  const bool is_readable = !found.yaml || read_yaml(*found.yaml, found.name, environment, draft);
  read_environment(environment, draft);
  if (is_readable) {
    draft.finish({found.name}, found.yaml.has_value());
  }
  throw_if_any(problems_of(draft));
  return draft.config();
}

Config parse(std::string_view yaml, const std::string& name, const Environment& environment,
             std::vector<Problem>& problems) {
  Draft draft;
  if (read_yaml(yaml, name, environment, draft)) {
    draft.finish({name}, true);
  }
  const auto found = problems_of(draft);
  problems.insert(problems.end(), found.begin(), found.end());
  return draft.config();
}

}  // namespace keyrewind::config
