#include "restore/restore_mark.h"

#include "base/bytes.h"
#include "base/error.h"
#include "base/log.h"
#include "io/file.h"

#include <nlohmann/json.hpp>

#include <map>
#include <system_error>

namespace keyrewind::restore {
namespace {

constexpr std::uint64_t kMaxMarkBytes = 1U << 20U;

std::optional<RestoreMark::State> state_from(const std::string& text) {
  using State = RestoreMark::State;
  static const std::map<std::string, State> kStates{{"running", State::running},
                                                    {"interrupted", State::interrupted},
                                                    {"done", State::done},
                                                    {"failed", State::failed}};
  const auto found = kStates.find(text);
  return found == kStates.end() ? std::nullopt : std::optional(found->second);
}

/// What is missing, or written by somebody else, is as if it had not been said.
RestoreMark mark_of(const nlohmann::json& fields, RestoreMark::State state) {
  const auto time = [&](const char* name) { return from_rfc3339(fields.value(name, "")); };
  RestoreMark mark;
  mark.state = state;
  mark.backup = fields.value("backup", "");
  mark.at = time("at").value_or(Timestamp{});
  mark.offset = fields.value("offset", std::int64_t{0});
  mark.bytes = fields.value("bytes", std::uint64_t{0});
  mark.started = time("started").value_or(Timestamp{});
  mark.finished = time("finished");
  mark.seconds = fields.value("duration_seconds", 0.0);
  mark.request = fields.value("request", std::uint64_t{0});
  mark.error = fields.value("error", "");
  return mark;
}

/// Whether the restore that began at `started` has left `mark`, or one before it something to go on
/// from.
bool stays(const RestoreMark& mark, Timestamp started) {
  return !mark.finished || *mark.finished >= started;
}

}  // namespace

std::optional<RestoreMark> read_restore_mark(const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / kRestoreMark;
  std::error_code missing;
  if (!std::filesystem::exists(path, missing)) {
    return std::nullopt;
  }
  const Bytes content = io::read_file(path, kMaxMarkBytes, Side::here);
  try {
    const auto fields = nlohmann::json::parse(as_text(content));
    if (!fields.is_object()) {
      return std::nullopt;
    }
    const auto state = state_from(fields.value("state", ""));
    return state ? std::optional(mark_of(fields, *state)) : std::nullopt;
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;
  }
}

void note_failed_restore(const std::filesystem::path& folder, const std::string& error,
                         Timestamp started, const Clock& clock) {
  try {
    const auto mark = read_restore_mark(folder);
    std::error_code missing;
    if ((mark && stays(*mark, started)) || !std::filesystem::is_directory(folder, missing)) {
      return;
    }
    const Timestamp now = clock.now();
    const nlohmann::ordered_json fields = {
        {"kind", "keyrewind-restore"},
        {"format", 1},
        {"started", to_rfc3339(started)},
        {"error", error},
        {"finished", to_rfc3339(now)},
        {"duration_seconds", static_cast<double>((now - started).count()) / 1000.0},
        {"state", "failed"}};
    io::AtomicFile file(folder / kRestoreMark, Side::here);
    const std::string text =
        fields.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
    file.append(as_bytes(text));
    file.commit(io::AtomicFile::IfExists::replace);
  } catch (const Error& second) {
    log::debug("restore mark not written", {{"error", second.what()}});
  }
}

}  // namespace keyrewind::restore
