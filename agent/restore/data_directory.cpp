#include "restore/data_directory.h"

#include "base/error.h"
#include "base/log.h"
#include "io/file.h"
#include "restore/partial_snapshot.h"
#include "restore/restore_mark.h"
#include "restore/server_data.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <system_error>
#include <utility>

namespace keyrewind::restore {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxMarkerBytes = 1U << 20U;

[[noreturn]] void fail(int number, const std::string& doing, const fs::path& path) {
  throw io::file_error(Side::here, number, doing, path);
}

void make_folder(const fs::path& folder) {
  if (mkdir(folder.c_str(), 0750) != 0 && errno != EEXIST) {
    fail(errno, "make folder", folder);
  }
}

void rename_path(const fs::path& from, const fs::path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) {
    fail(errno, "rename to", to);
  }
}

void remove_tree(const fs::path& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (error) {
    fail(error.value(), "remove", path);
  }
}

/// Locks `folder` against another restore into it, for as long as the result lives.
io::Fd lock_folder(const fs::path& folder) {
  io::Fd locked(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!locked) {
    fail(errno, "open folder", folder);
  }
  if (flock(locked.number(), LOCK_EX | LOCK_NB) != 0) {
    throw Error(ErrorKind::busy,
                fmt::format("another restore into {} is running; wait for it", folder.string()));
  }
  return locked;
}

/// The top-level names of what a restore makes.
std::vector<std::string> top_names(const RestorePlan& plan) {
  std::vector<std::string> names;
  if (plan.layout != Layout::aof) {
    names.push_back(plan.server_config.dbfilename);
  }
  if (plan.layout != Layout::rdb) {
    names.push_back(plan.server_config.aof.folder);
  }
  return names;
}

/// Names a file so that it is known again after a crash.
std::uint64_t inode_of(const fs::path& path) {
  struct stat info {};
  if (lstat(path.c_str(), &info) != 0) {
    fail(errno, "stat", path);
  }
  return info.st_ino;
}

/// Writes small content whole, synced, replacing what is there.
void write_file(const fs::path& path, std::string_view content) {
  io::AtomicFile file(path, Side::here);
  file.append(as_bytes(content));
  file.commit(io::AtomicFile::IfExists::replace);
}

/// `.keyrewind-restore.json`: for a killed restore's successor, and for whoever wonders where the
/// data came from.
class Marker {
 public:
  Marker(const RestorePlan& plan, const catalog::Manifest& manifest, const RestorePoint& point,
         const Clock& clock)
      : target_(plan.target), clock_(clock), started_(clock.now()) {
    fields_ = {{"kind", "keyrewind-restore"},
               {"format", 1},
               {"backup", manifest.id},
               {"source", manifest.source},
               {"lineage", point.window.lineage},
               {"replid", point.base.snapshot.replid},
               {"offset", point.offset},
               {"at", to_rfc3339(point.at)},
               {"bytes", plan.bytes},
               {"started", to_rfc3339(started_)},
               {"names", top_names(plan)},
               {"old_data", plan.old_data}};
    if (plan.restore_request != 0) {
      fields_["request"] = plan.restore_request;
    }
  }

  /// Before anything is written.
  void running() { write("running"); }

  /// For a successor that goes on.
  void interrupted() { write("interrupted"); }

  /// Before old data is moved to the folder `name` in the target.
  void moving_aside(const std::string& name) {
    fields_["moving_to"] = name;
    write("running");
  }

  /// Before anything gets its name. `placing` is each top-level name with its inode;
  /// `increment_bytes` tells an increment that a server has appended to.
  void placing(const std::map<std::string, std::uint64_t>& placing, std::uint64_t increment_bytes) {
    fields_["placing"] = placing;
    fields_["increment_bytes"] = increment_bytes;
    write("running");
  }

  void done() { finish("done"); }

  void failed(const std::string& why) {
    fields_["error"] = why;
    finish("failed");
  }

 private:
  void finish(const std::string& state) {
    if (fields_.contains("moving_to")) {
      fields_["moved_aside"] = fields_["moving_to"];
    }
    for (const char* field : {"placing", "increment_bytes", "names", "old_data", "moving_to"}) {
      fields_.erase(field);
    }
    const auto now = clock_.now();
    fields_["finished"] = to_rfc3339(now);
    fields_["duration_seconds"] = static_cast<double>((now - started_).count()) / 1000.0;
    write(state);
  }

  void write(const std::string& state) {
    fields_["state"] = state;
    write_file(target_ / kRestoreMark, fields_.dump(2) + "\n");
  }

  const fs::path target_;
  const Clock& clock_;
  const Timestamp started_;
  nlohmann::ordered_json fields_;
};

/// Whether what a killed restore put in place is still as it left it.
bool is_untouched(const fs::path& path, std::uint64_t inode, std::uint64_t increment_bytes) {
  struct stat info {};
  if (lstat(path.c_str(), &info) != 0 || info.st_ino != inode) {
    return false;
  }
  if (!S_ISDIR(info.st_mode)) {
    return true;
  }
  for (const auto& entry : fs::directory_iterator(path)) {
    if (entry.path().filename().string().ends_with(".incr.aof") &&
        entry.file_size() != increment_bytes) {
      return false;
    }
  }
  return true;
}

/// What a marker says; null if there is none or it is not ours.
nlohmann::ordered_json read_marker(const fs::path& marker) {
  std::error_code missing;
  if (!fs::exists(marker, missing)) {
    return nullptr;
  }
  const Bytes content = io::read_file(marker, kMaxMarkerBytes, Side::here);
  return nlohmann::ordered_json::parse(as_text(content), nullptr, false);
}

bool is_unfinished(const nlohmann::ordered_json& fields) {
  if (!fields.is_object()) {
    return false;
  }
  const std::string state = fields.value("state", "");
  return state == "running" || state == "interrupted";
}

/// Removes what a killed restore had put in place, where that is as it left it.
void remove_placed(const fs::path& target, const nlohmann::ordered_json& fields) {
  if (!fields.contains("placing") || !fields["placing"].is_object()) {
    return;
  }
  const std::uint64_t increment_bytes = fields.value("increment_bytes", std::uint64_t{0});
  for (const auto& [name, inode] : fields["placing"].items()) {
    if (name.find('/') == std::string::npos && inode.is_number_unsigned() &&
        is_untouched(target / name, inode.get<std::uint64_t>(), increment_bytes)) {
      remove_tree(target / name);
    }
  }
}

/// Puts the old data back that a killed restore had moved aside, unless something else has come to
/// its place.
void move_old_data_back(const fs::path& target, const nlohmann::ordered_json& fields) {
  const std::string name = fields.value("moving_to", "");
  if (name.empty() || name.find('/') != std::string::npos || !fields.contains("old_data") ||
      !fields["old_data"].is_array()) {
    return;
  }
  const fs::path aside = target / name;
  std::error_code ignored;
  for (const auto& item : fields["old_data"]) {
    const std::string data = item.is_string() ? item.get<std::string>() : "";
    if (!data.empty() && data.find('/') == std::string::npos && fs::exists(aside / data, ignored) &&
        !fs::exists(target / data, ignored)) {
      rename_path(aside / data, target / data);
    }
  }
  if (fs::remove(aside, ignored)) {
    log::info("old data moved back after a killed restore", {{"target", target.string()}});
  }
  io::sync_folder(target, Side::here);
}

/// Whether a server has written to what a killed restore had put in place.
bool is_in_use(const fs::path& target, const nlohmann::ordered_json& fields) {
  if (!fields.contains("placing") || !fields["placing"].is_object()) {
    return false;
  }
  std::error_code missing;
  return std::ranges::any_of(fields["placing"].items(), [&](const auto& placed) {
    return fs::exists(target / placed.key(), missing);
  });
}

/// Whether something stands where the restore wanted to put its own, and did not when it began:
/// nobody will go on with it.
bool has_new_data(const fs::path& target, const nlohmann::ordered_json& fields) {
  const auto list = [&](const char* field) {
    const auto found = fields.find(field);
    return found != fields.end() && found->is_array() ? *found : nlohmann::ordered_json::array();
  };
  const auto old_data = list("old_data");
  const auto names = list("names");
  return std::ranges::any_of(names, [&](const auto& name) {
    std::error_code missing;
    return name.is_string() && std::ranges::find(old_data, name) == old_data.end() &&
           fs::exists(target / name.template get<std::string>(), missing);
  });
}

/// Builds the new data beside the old, then swaps.
class DirectoryRestore {
 public:
  DirectoryRestore(const RestorePlan& plan, const Origin& origin, const Clock& clock)
      : plan_(plan),
        clock_(clock),
        temporary_(temporary_folder(plan.target)),
        origin_{origin.catalog,  origin.manifest, origin.point, origin.options,
                origin.progress, origin.stop,     temporary_},
        marker_(plan, origin.manifest, origin.point, clock) {}

  DirectoryRestore(const DirectoryRestore&) = delete;
  DirectoryRestore& operator=(const DirectoryRestore&) = delete;

  /// A restore that failed leaves nothing behind, or what the next one goes on from; one that was
  /// killed leaves its marker.
  ~DirectoryRestore() {
    if (!placing_ && !kept_) {
      std::error_code ignored;
      fs::remove_all(temporary_, ignored);
      if (begun_ && !done_ && !failure_noted_) {
        fs::remove(plan_.target / kRestoreMark, ignored);
      }
    }
  }

  RestoreResult run() {
    make_folder(plan_.target);
    const io::Fd lock = lock_folder(plan_.target);
    if (find_server_data(plan_.target, plan_.server_config) != plan_.old_data) {
      throw Error(ErrorKind::target_not_empty,
                  fmt::format("target {} has been filled meanwhile; look at it, then try again",
                              plan_.target.string()));
    }
    marker_.running();
    begun_ = true;
    try {
      make_folder(temporary_);
      build();
      RestoreResult result{plan_.files, place()};
      done_ = true;
      return result;
    } catch (const Error& error) {
      if (!placing_) {
        keep_after(error);
        note_failure(error);
      }
      throw;
    }
  }

 private:
  /// Throws in place of `error`, with how to go on, if there is something to go on from.
  void keep_after(const Error& error) {
    if (!can_go_on_after(error) || !clear_but_kept(temporary_)) {
      return;
    }
    kept_ = true;
    marker_.interrupted();
    log::warn("restore interrupted; the same command goes on with what is there",
              {{"target", plan_.target.string()},
               {"bytes", bytes_kept(temporary_, origin_.point.base.snapshot)}});
    throw Error(error.side(), error.kind(),
                fmt::format("{}; run the same command again to go on", error.what()));
  }

  /// For whoever looks after a restore that nobody watched. Where it cannot be written, the error
  /// itself has said enough.
  void note_failure(const Error& error) {
    if (!plan_.unattended) {
      return;
    }
    try {
      marker_.failed(error.what());
      failure_noted_ = true;
    } catch (const Error& second) {
      log::warn("restore mark not written", {{"error", second.what()}});
    }
  }

  void build() {
    const ServerConfig& config = plan_.server_config;
    const fs::path dump = temporary_ / config.dbfilename;
    const fs::path folder = temporary_ / config.aof.folder;
    if (plan_.layout == Layout::aof) {
      write_aof(origin_, folder, config.aof);
    } else {
      write_rdb(origin_, plan_.maker, dump);
    }
    if (plan_.layout == Layout::both) {
      write_aof(dump, folder, config.aof);
    }
    io::sync_folder(temporary_, Side::here);
  }

  std::optional<fs::path> place() {
    std::map<std::string, std::uint64_t> inodes;
    for (const std::string& name : top_names(plan_)) {
      inodes[name] = inode_of(temporary_ / name);
    }
    const auto moved = move_old_data_aside();
    marker_.placing(inodes, increment_bytes());
    placing_ = true;
    for (const std::string& name : top_names(plan_)) {
      rename_path(temporary_ / name, plan_.target / name);
    }
    io::sync_folder(plan_.target, Side::here);
    marker_.done();
    remove_tree(temporary_);
    return moved;
  }

  std::uint64_t increment_bytes() const {
    const aof::Names& names = plan_.server_config.aof;
    return plan_.layout == Layout::rdb
               ? 0
               : fs::file_size(temporary_ / names.folder / names.increment_file());
  }

  /// `name`, or with a number behind it if the target has one of that name already.
  std::string unused_name(const std::string& name) const {
    std::string unused = name;
    std::error_code missing;
    for (int i = 2; fs::exists(plan_.target / unused, missing); ++i) {
      unused = fmt::format("{}-{}", name, i);
    }
    return unused;
  }

  std::optional<fs::path> move_old_data_aside() {
    if (plan_.old_data.empty()) {
      return std::nullopt;
    }
    const std::string folder = unused_name(".keyrewind-old-" + to_compact(clock_.now()));
    const fs::path aside = plan_.target / folder;
    marker_.moving_aside(folder);
    make_folder(aside);
    for (const std::string& name : plan_.old_data) {
      rename_path(plan_.target / name, aside / name);
    }
    io::sync_folder(aside, Side::here);
    return aside;
  }

  const RestorePlan& plan_;
  const Clock& clock_;
  const fs::path temporary_;
  const Origin origin_;
  Marker marker_;
  bool begun_ = false;
  bool failure_noted_ = false;
  bool kept_ = false;
  bool placing_ = false;
  bool done_ = false;
};

}  // namespace

bool clear_unfinished_restore(const fs::path& target) {
  std::error_code missing;
  if (!fs::is_directory(target, missing)) {
    return false;
  }
  const io::Fd lock = lock_folder(target);
  const fs::path temporary = temporary_folder(target);
  const bool was_there = fs::exists(temporary, missing);
  auto fields = read_marker(target / kRestoreMark);
  if (!is_unfinished(fields)) {
    // Killed before its first word or after its last: only the folder can be left.
    remove_tree(temporary);
    return was_there;
  }
  remove_placed(target, fields);
  if (!is_in_use(target, fields)) {
    move_old_data_back(target, fields);
  }
  if (has_new_data(target, fields) || !clear_but_kept(temporary)) {
    log::warn("unfinished restore cleared away", {{"target", target.string()}});
    remove_tree(temporary);
    remove_tree(target / kRestoreMark);
    return true;
  }
  fields.erase("placing");
  fields.erase("moving_to");
  fields["state"] = "interrupted";
  write_file(target / kRestoreMark, fields.dump(2) + "\n");
  return true;
}

RestoreResult restore_to_directory(const Origin& origin, const RestorePlan& plan,
                                   const Clock& clock) {
  return DirectoryRestore(plan, origin, clock).run();
}

}  // namespace keyrewind::restore
