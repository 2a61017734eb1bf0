#include "catalog/catalog.h"

#include "base/error.h"
#include "catalog/commit_pages.h"
#include "catalog/commits.h"
#include "catalog/details.h"
#include "catalog/names.h"
#include "catalog/repository.h"

#include <fmt/format.h>

#include <utility>

namespace keyrewind::catalog {
namespace {

Error no_backup(const std::string& why) {
  return {Side::repository, ErrorKind::no_backup, why};
}

}  // namespace

Catalog::Catalog(store::ObjectStore& store, std::string source)
    : store_(store), source_(std::move(source)) {
  if (!names::is_valid_source(source_)) {
    throw Error(ErrorKind::config,
                fmt::format("source.name '{}' is not 1 to 63 letters, digits, '.', '_' and '-', "
                            "beginning with a letter or digit",
                            source_));
  }
}

std::vector<Commit> Catalog::list(std::stop_token stop) const {
  std::vector<Commit> commits;
  if (inspect(store_, stop) == Place::nothing) {
    return commits;
  }
  const std::vector<CommitEntry> entries = list_commits(store_, source_, stop);
  auto paged = read_commit_pages(store_, source_, entries, stop);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    std::optional<Commit> commit = paged[i] ? std::optional(std::move(paged[i]->commit))
                                            : read_commit(store_, source_, entries[i], stop);
    if (commit) {
      commits.push_back(*std::move(commit));
    }
  }
  return commits;
}

Commit Catalog::find(const std::string& id, std::stop_token stop) const {
  if (inspect(store_, stop) == Place::repository) {
    const std::vector<CommitEntry> entries = list_commits(store_, source_, stop);
    if (!entries.empty()) {
      const CommitEntry& entry = choose_commit(entries, id, source_);
      if (std::optional<Commit> commit = read_commit(store_, source_, entry, stop)) {
        return *std::move(commit);
      }
      throw no_backup(
          fmt::format("backup {} of '{}' was removed just now; 'keyrewind list' shows "
                      "those there are",
                      entry.name.id, source_));
    }
    if (ever_backed_up(stop)) {
      throw no_backup(
          fmt::format("'{}' has been backed up here before, but no backup is left in {}", source_,
                      store_.url()));
    }
  }
  throw no_backup(fmt::format("no backup of '{}' in {} yet", source_, store_.url()));
}

bool Catalog::ever_backed_up(std::stop_token stop) const {
  return inspect(store_, stop) == Place::repository &&
         (store_.head(names::source_record(source_), stop) ||
          !list_commits(store_, source_, stop).empty());
}

Manifest Catalog::manifest(const Commit& commit, std::stop_token stop) const {
  Manifest manifest = read_manifest(store_, commit, stop);
  if (!manifest.details || !store_.can_read(manifest.details->name)) {
    return manifest;
  }
  try {
    const std::optional<Bytes> details =
        store_.get(manifest.details->name, kMaxManifestBytes, stop);
    if (!details) {
      throw Error(Side::repository, ErrorKind::corrupt,
                  fmt::format("the details of backup {} are missing", commit.id));
    }
    merge_details(manifest, *details);
  } catch (const Error& error) {
    // Encrypted to others: who can read the snapshots nevertheless is told by them.
    if (error.kind() != ErrorKind::config) {
      throw;
    }
  }
  return manifest;
}

}  // namespace keyrewind::catalog
