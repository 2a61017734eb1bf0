#include "daemon/pauses.h"

#include "base/bytes.h"
#include "base/error.h"
#include "base/log.h"
#include "io/file.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <fstream>
#include <utility>

namespace keyrewind::daemon {
namespace {

constexpr const char* kPaused = "paused";

}  // namespace

Pauses::Pauses(std::filesystem::path folder) : file_(std::move(folder) / "paused.json") {
  std::ifstream in(file_);
  if (!in) {
    return;
  }
  try {
    names_ = nlohmann::json::parse(in).at(kPaused).get<std::set<std::string>>();
  } catch (const nlohmann::json::exception& error) {
    log::warn("pauses of schedules not read; none is paused",
              {{"file", file_.string()}, {"error", error.what()}});
  }
}

void Pauses::set(const std::string& schedule, bool paused) {
  std::set<std::string> names = names_;
  if (paused) {
    names.insert(schedule);
  } else {
    names.erase(schedule);
  }
  if (names != names_) {
    write(names);
    names_ = std::move(names);
  }
}

void Pauses::write(const std::set<std::string>& names) const {
  io::AtomicFile file(file_, Side::here, 0644);
  const std::string text = nlohmann::json{{kPaused, names}}.dump() + "\n";
  file.append(as_bytes(text));
  file.commit(io::AtomicFile::IfExists::replace);
}

}  // namespace keyrewind::daemon
