#include "catalog/commits.h"

#include "base/error.h"

#include <algorithm>
#include <tuple>

namespace keyrewind::catalog {

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

}  // namespace keyrewind::catalog
