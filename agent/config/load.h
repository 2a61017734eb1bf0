#pragma once

#include "config/config.h"

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace keyrewind::config {

/// The environment as a map, so that tests need not touch the process's.
using Environment = std::map<std::string, std::string>;
Environment environment_of_process();

/// One mistake: "config.yaml:7:3: unknown key 'adress' in source; did you mean 'address'?"
struct Problem {
  std::string place;  ///< "FILE:LINE:COLUMN", or the name of the environment variable.
  std::string message;
};

/// Loads the configuration: defaults, then the YAML of `file` (or of KEYREWIND_CONFIG_YAML), then
/// KEYREWIND_… variables, each winning over what came before.
///
/// `file` is what -c said, nothing if it was not given: then KEYREWIND_CONFIG_YAML is used if set,
/// else /etc/keyrewind/config.yaml if it exists, else the variables alone. Throws Error(config)
/// that lists all mistakes, one a line.
Config load(const std::optional<std::string>& file, const Environment& environment);

/// What `load` reads first, as a person knows it: the file's name, "KEYREWIND_CONFIG_YAML", or
/// "environment" for the variables alone.
std::string origin(const std::optional<std::string>& file, const Environment& environment);

/// What `load` does with a YAML text, without variables' overrides; for tests and the fuzzer.
/// `name` stands in places. Mistakes are added to `problems`; the result counts only if none were.
Config parse(std::string_view yaml, const std::string& name, const Environment& environment,
             std::vector<Problem>& problems);

/// The configuration as YAML, every option in the order of the reference, secrets as "****". What
/// has no secrets is read back by `parse` as the same configuration.
std::string to_yaml(const Config& config);

/// The same as JSON, for `-o json`.
std::string to_json(const Config& config);

/// JSON Schema (draft 2020-12) of the configuration file, for editors.
std::string schema();

/// config/reference.yaml: every option with its default and a comment, made from the same table.
std::string reference();

}  // namespace keyrewind::config
