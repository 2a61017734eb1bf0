#include "support/keyrewind.h"

#include "support/paths.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>

namespace keyrewind::test {

namespace fs = std::filesystem;

Keyrewind::Keyrewind(const std::string& address, const std::string& more, RepositoryKind kind)
    : repository_(folder_.path(), kind) {
  configure(fmt::format("version: 1\nsource:\n  name: orders\n  address: {}\n{}{}", address, more,
                        repository_.yaml()));
}

void Keyrewind::configure(const std::string& yaml) const {
  write_text(config_file(), yaml);
}

void Keyrewind::configure(const std::string& address, const fs::path& repository,
                          const std::string& more) const {
  configure(
      fmt::format("version: 1\nsource:\n  name: orders\n  address: {}\n{}repository:\n  url: "
                  "file://{}\n",
                  address, more, repository.string()));
}

RunResult Keyrewind::run(const std::vector<std::string>& words) const {
  return test::run(command(words), std::chrono::seconds(200));
}

Process Keyrewind::start(const std::vector<std::string>& words) const {
  return Process({.command = command(words)});
}

nlohmann::json Keyrewind::json(std::vector<std::string> words) const {
  words.insert(words.end(), {"-o", "json"});
  const RunResult result = run(words);
  if (result.status != 0 && result.status != 3) {
    throw std::runtime_error(
        fmt::format("{} ended with {}: {}", words.front(), result.status, result.err));
  }
  return nlohmann::json::parse(result.out);
}

fs::path Keyrewind::file(const std::string& ending) const {
  std::vector<std::string> found;
  std::ranges::copy_if(files(), std::back_inserter(found),
                       [&](const std::string& name) { return name.ends_with(ending); });
  if (found.size() != 1) {
    throw std::runtime_error(fmt::format("{} files end in {}", found.size(), ending));
  }
  return repository() / found.front();
}

std::vector<std::string> Keyrewind::command(const std::vector<std::string>& words) const {
  std::vector<std::string> all{program_path(), "-c", config_file().string()};
  all.insert(all.end(), words.begin(), words.end());
  return all;
}

std::string read_text(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

void write_text(const fs::path& path, const std::string& content) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << content;
  if (!file.flush()) {
    throw std::runtime_error("cannot write " + path.string());
  }
}

}  // namespace keyrewind::test
