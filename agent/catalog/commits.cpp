#include "catalog/commits.h"

#include "base/error.h"
#include "codec/sha256.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <tuple>

namespace keyrewind::catalog {
namespace {

/// The shortest beginning of an id that is taken for it.
constexpr std::size_t kShortestPrefix = 4;

Error no_backup(const std::string& why) {
  return {Side::repository, ErrorKind::no_backup, why};
}

}  // namespace

std::vector<CommitEntry> list_commits(const store::ObjectStore& store, const std::string& source,
                                      std::stop_token stop) {
  std::vector<CommitEntry> entries;
  for (const store::ObjectInfo& object : store.list(names::commits(source), stop)) {
    if (const auto name = names::parse_commit(source, object.name)) {
      entries.push_back({object.name, *name});
    }
  }
  std::sort(entries.begin(), entries.end(), [](const CommitEntry& a, const CommitEntry& b) {
    return std::tie(a.name.sequence, a.name.id) < std::tie(b.name.sequence, b.name.id);
  });
  return entries;
}

const CommitEntry& choose_commit(const std::vector<CommitEntry>& entries, const std::string& id,
                                 const std::string& source) {
  if (id == "latest") {
    return entries.back();
  }
  const CommitEntry* found = nullptr;
  for (const CommitEntry& entry : entries) {
    if (entry.name.id == id) {
      return entry;
    }
    if (id.size() < kShortestPrefix || !entry.name.id.starts_with(id)) {
      continue;
    }
    if (found != nullptr) {
      throw no_backup(
          fmt::format("several backups of '{}' begin with '{}'; give more of the id", source, id));
    }
    found = &entry;
  }
  if (found == nullptr) {
    throw no_backup(
        fmt::format("no backup '{}' of '{}'; 'keyrewind list' shows those there are", id, source));
  }
  return *found;
}

std::optional<Commit> read_commit(const store::ObjectStore& store, const std::string& source,
                                  const CommitEntry& entry, std::stop_token stop) {
  try {
    const std::optional<Bytes> content = store.get(entry.object, kMaxCommitBytes, stop);
    if (!content) {
      return std::nullopt;
    }
    Commit commit = decode_commit(*content);
    if (commit.source != source || names::CommitName{commit.sequence, commit.id} != entry.name) {
      throw Error(Side::repository, ErrorKind::corrupt, "the commit does not fit its name");
    }
    return commit;
  } catch (Error& error) {
    if (error.kind() == ErrorKind::corrupt || error.kind() == ErrorKind::incompatible) {
      error.add_context(entry.object);
    }
    throw;
  }
}

Manifest read_manifest(const store::ObjectStore& store, const Commit& commit,
                       std::stop_token stop) {
  const auto corrupt = [&](std::string_view why) {
    return Error(Side::repository, ErrorKind::corrupt,
                 fmt::format("the manifest of backup {} {}", commit.id, why));
  };
  const std::optional<Bytes> content = store.get(commit.manifest.name, kMaxManifestBytes, stop);
  if (!content) {
    throw corrupt("is missing");
  }
  if (content->size() != commit.manifest.bytes ||
      codec::sha256_hex(*content) != commit.manifest.sha256) {
    throw corrupt("is damaged: its SHA-256 is not the one in the commit");
  }
  Manifest manifest = decode_manifest(*content);
  if (manifest.id != commit.id || manifest.source != commit.source) {
    throw corrupt("is that of another backup");
  }
  return manifest;
}

}  // namespace keyrewind::catalog
