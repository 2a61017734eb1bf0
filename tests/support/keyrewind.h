#pragma once

#include "support/process.h"
#include "support/temp_dir.h"
#include "support/test_repository.h"

#include <nlohmann/json.hpp>

#include <filesystem>
#include <string>
#include <vector>

namespace keyrewind::test {

/// The program as a user has it: one configuration file, one repository, commands.
class Keyrewind {
 public:
  /// Backs `address` up to a fresh repository. `more` is added to the configuration's YAML, behind
  /// the source's address.
  explicit Keyrewind(const std::string& address, const std::string& more = "",
                     RepositoryKind kind = repository_kind());

  /// Where everything of this user is; `repository()`, if that is a folder, is below it and not
  /// there at first.
  const std::filesystem::path& folder() const noexcept { return folder_.path(); }
  std::filesystem::path repository() const { return repository_.folder(); }

  /// The repository, whatever it is.
  const TestRepository& store() const noexcept { return repository_; }
  TestRepository& store() noexcept { return repository_; }
  std::filesystem::path config_file() const { return folder_ / "config.yaml"; }

  /// Writes another configuration: the whole YAML.
  void configure(const std::string& yaml) const;
  void configure(const std::string& address, const std::filesystem::path& repository,
                 const std::string& more = "") const;

  /// Runs `keyrewind -c FILE words…` to its end.
  RunResult run(const std::vector<std::string>& words) const;

  /// The same as a process to be looked at or killed meanwhile.
  Process start(const std::vector<std::string>& words) const;

  /// Runs it with -o json, expects success (or warnings) and gives what it printed.
  nlohmann::json json(std::vector<std::string> words) const;

  /// Takes a backup and gives its id.
  std::string backup() const { return json({"backup"})["id"]; }

  /// How many backups `list` shows.
  std::size_t backups() const { return json({"list"})["backups"].size(); }

  /// All objects of the repository by name, sorted, without locks.
  std::vector<std::string> files() const { return repository_.names(); }

  /// The one file of the repository whose name ends so; throws if there is not exactly one.
  std::filesystem::path file(const std::string& ending) const;

 private:
  std::vector<std::string> command(const std::vector<std::string>& words) const;

  TempDir folder_;
  TestRepository repository_;
};

/// The content of a file, and its replacement by another.
std::string read_text(const std::filesystem::path& path);
void write_text(const std::filesystem::path& path, const std::string& content);

}  // namespace keyrewind::test
