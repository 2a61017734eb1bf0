#include "api/backup_json.h"

#include "base/bytes.h"

namespace keyrewind::api {

nlohmann::ordered_json to_json(const catalog::Commit& commit) {
  return {
      {"id", commit.id},
      {"state", "available"},
      {"source", commit.source},
      {"sequence", commit.sequence},
      {"created", to_rfc3339(commit.created)},
      {"finished", to_rfc3339(commit.finished)},
      {"keys", commit.keys},
      {"raw_bytes", commit.raw_bytes},
      {"stored_bytes", commit.stored_bytes},
      {"server", commit.server},
      {"opaque", commit.opaque},
      {"labels", commit.labels},
      {"trigger", commit.origin.trigger ? nlohmann::ordered_json(to_string(*commit.origin.trigger))
                                        : nlohmann::ordered_json(nullptr)},
      {"schedule", commit.origin.schedule.empty()
                       ? nlohmann::ordered_json(nullptr)
                       : nlohmann::ordered_json(commit.origin.schedule)}};
}

nlohmann::ordered_json to_json(const catalog::Commit& commit, const catalog::Manifest& manifest) {
  // The manifest's own form, so that FORMAT.md describes this output too.
  nlohmann::ordered_json json = to_json(commit);
  const auto stored = nlohmann::ordered_json::parse(catalog::encode(manifest));
  for (const auto& [name, value] : stored.items()) {
    if (!json.contains(name) && name != "format" && name != "kind") {
      json[name] = value;
    }
  }
  return json;
}

nlohmann::ordered_json to_json(const catalog::BackupLock* lock) {
  if (lock == nullptr) {
    return nullptr;
  }
  nlohmann::ordered_json json{{"until", nullptr}, {"reason", lock->note}};
  if (lock->until) {
    json["until"] = to_rfc3339(*lock->until);
  }
  return json;
}

}  // namespace keyrewind::api
