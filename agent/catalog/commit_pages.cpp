#include "catalog/commit_pages.h"

#include "base/error.h"
#include "base/log.h"
#include "catalog/manifest_json.h"
#include "catalog/names.h"
#include "catalog/page_frame.h"
#include "catalog/segment_json.h"
#include "flow/parallel_for.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>

namespace keyrewind::catalog {
namespace {

using nlohmann::ordered_json;

// Written to every page: FORMAT.md, section "Pages".
constexpr std::string_view kPageKind = "keyrewind-commit-page";
constexpr std::size_t kReplidDigits = 40;

/// A page takes some megabytes while it is read.
constexpr std::size_t kPagesAtOnce = 4;
constexpr std::size_t kBackupsAtOnce = 16;

/// So that a backup does not wait for long where a great many come from an earlier version.
constexpr std::size_t kPagesPerRun = 4;

ordered_json to_json(const Snapshot& snapshot) {
  return {{"shard", snapshot.shard},
          {"lineage", snapshot.lineage},
          {"replid", snapshot.replid},
          {"offset", snapshot.offset},
          {"taken", to_rfc3339(snapshot.taken)},
          {"object", to_json(snapshot.object)}};
}

Snapshot read_snapshot(const JsonObject& in, const std::string& source) {
  Snapshot snapshot;
  snapshot.shard = in.text("shard");
  snapshot.lineage = in.hex("lineage", kReplidDigits);
  snapshot.replid = in.hex("replid", kReplidDigits);
  snapshot.offset = read_offset(in, "offset");
  snapshot.taken = in.time("taken");
  snapshot.object = read_object(in.object("object"), source);
  return snapshot;
}

BackupOutline read_backup(const JsonObject& in, const std::string& source) {
  BackupOutline backup{.commit = read_commit_fields(in), .snapshots = {}, .details = {}};
  for (const JsonObject& snapshot : in.objects("snapshots")) {
    backup.snapshots.push_back(read_snapshot(snapshot, source));
  }
  if (in.has("details")) {
    backup.details = read_object(in.object("details"), source);
  }
  if (backup.commit.source != source) {
    in.reject("source", "is another one");
  }
  return backup;
}

bool is_damage(const Error& error) {
  return error.kind() == ErrorKind::corrupt || error.kind() == ErrorKind::incompatible;
}

/// A page by its name, and which of the entries it tells of: those from `first` to before `last`.
struct Page {
  std::string object;
  std::size_t first = 0;
  std::size_t last = 0;

  std::size_t backups() const noexcept { return last - first; }
};

std::vector<Page> list_pages(const store::ObjectStore& store, const std::string& source,
                             std::span<const CommitEntry> entries, const std::stop_token& stop) {
  const auto sequence_of = [](const CommitEntry& entry) { return entry.name.sequence; };
  std::vector<Page> pages;
  for (const store::ObjectInfo& object : store.list(names::commit_pages(source), stop)) {
    if (const auto name = names::parse_commit_page(source, object.name)) {
      const auto first = std::ranges::lower_bound(entries, name->first, {}, sequence_of);
      const auto last = std::ranges::upper_bound(entries, name->last, {}, sequence_of);
      pages.push_back({object.name, static_cast<std::size_t>(first - entries.begin()),
                       static_cast<std::size_t>(last - entries.begin())});
    }
  }
  return pages;
}

/// Nothing if it is gone or damaged: the objects of the backups tell the same.
std::vector<BackupOutline> read_page(const store::ObjectStore& store, const std::string& source,
                                     const std::string& object, const std::stop_token& stop) {
  try {
    const auto content = store.get(object, kMaxCommitPageBytes, stop);
    return content ? decode_commit_page(source, *content) : std::vector<BackupOutline>();
  } catch (const Error& error) {
    if (!is_damage(error)) {
      throw;
    }
    log::warn("page of backups passed over", {{"object", object}, {"error", error.what()}});
    return {};
  }
}

/// Nothing if it is removed just now.
std::optional<BackupOutline> read_one(const store::ObjectStore& store, const std::string& source,
                                      const CommitEntry& entry, const std::stop_token& stop) {
  auto commit = read_commit(store, source, entry, stop);
  if (!commit) {
    return std::nullopt;
  }
  Manifest manifest = read_manifest(store, *commit, stop);
  return BackupOutline{.commit = *std::move(commit),
                       .snapshots = std::move(manifest.snapshots),
                       .details = std::move(manifest.details)};
}

}  // namespace

Bytes encode_commit_page(const std::string& source, std::span<const BackupOutline> backups) {
  ordered_json document = begin_document(kPageKind);
  document["source"] = source;
  document["backups"] = ordered_json::array();
  for (const BackupOutline& backup : backups) {
    ordered_json row;
    add_fields(row, backup.commit);
    row["snapshots"] = ordered_json::array();
    for (const Snapshot& snapshot : backup.snapshots) {
      row["snapshots"].push_back(to_json(snapshot));
    }
    row["details"] = backup.details ? to_json(*backup.details) : ordered_json(nullptr);
    document["backups"].push_back(std::move(row));
  }
  return deflate_page(document.dump(-1, ' ', false, ordered_json::error_handler_t::replace));
}

std::vector<BackupOutline> decode_commit_page(const std::string& source, ByteView frame) {
  const Bytes json = inflate_page(frame, kMaxCommitPageBytes);
  const JsonDocument document(json, "the page", kPageKind);
  std::vector<BackupOutline> backups;
  for (const JsonObject& backup : document.root().objects("backups")) {
    backups.push_back(read_backup(backup, source));
  }
  return backups;
}

std::vector<std::optional<BackupOutline>> read_commit_pages(const store::ObjectStore& store,
                                                            const std::string& source,
                                                            std::span<const CommitEntry> entries,
                                                            std::stop_token stop) {
  std::vector<std::optional<BackupOutline>> found(entries.size());
  if (entries.size() < kLeastBackupsOfPage) {
    return found;
  }
  std::vector<Page> pages = list_pages(store, source, entries, stop);
  std::size_t reached = 0;
  std::erase_if(pages, [&](const Page& page) {  // They are in the order of the backups.
    const bool is_wanted = page.backups() >= kLeastBackupsOfPage && page.last > reached;
    reached = is_wanted ? page.last : reached;
    return !is_wanted;
  });
  flow::parallel_for(
      {"page", kPagesAtOnce}, pages.size(),
      [&](std::uint64_t number, std::stop_token inner) {
        const Page& page = pages[number];
        // Pages may overlap, and each may be read by another thread.
        const std::size_t first =
            number == 0 ? page.first : std::max(page.first, pages[number - 1].last);
        for (BackupOutline& backup : read_page(store, source, page.object, inner)) {
          const auto rest = entries.subspan(first, page.last - first);
          const auto entry = std::ranges::find_if(rest, [&](const CommitEntry& one) {
            return one.name.id == backup.commit.id && one.name.sequence == backup.commit.sequence;
          });
          if (entry != rest.end()) {
            found[first + static_cast<std::size_t>(entry - rest.begin())] = std::move(backup);
          }
        }
      },
      stop);
  return found;
}

std::size_t write_commit_pages(store::ObjectStore& store, const std::string& source,
                               std::span<const CommitEntry> entries, std::stop_token stop) {
  if (entries.size() < kBackupsPerPage) {
    return 0;
  }
  std::vector<bool> is_told(entries.size());
  for (const Page& page : list_pages(store, source, entries, stop)) {
    for (std::size_t i = page.first; i < page.last; ++i) {
      is_told[i] = is_told[i] || page.backups() >= kLeastBackupsOfPage;
    }
  }
  std::vector<const CommitEntry*> wanted;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (!is_told[i]) {
      wanted.push_back(&entries[i]);
    }
  }
  std::size_t written = 0;
  for (; wanted.size() >= (written + 1) * kBackupsPerPage && written < kPagesPerRun; ++written) {
    const auto some = std::span(wanted).subspan(written * kBackupsPerPage, kBackupsPerPage);
    std::vector<std::optional<BackupOutline>> read(some.size());
    flow::parallel_for(
        {"manifest", kBackupsAtOnce}, some.size(),
        [&](std::uint64_t number, std::stop_token inner) {
          read[number] = read_one(store, source, *some[number], inner);
        },
        stop);
    std::vector<BackupOutline> backups;
    for (std::optional<BackupOutline>& backup : read) {
      if (backup) {
        backups.push_back(*std::move(backup));
      }
    }
    const names::CommitPageName name{some.front()->name.sequence, some.back()->name.sequence};
    store.put_if_absent(names::commit_page(source, name), encode_commit_page(source, backups),
                        stop);
  }
  return written;
}

std::vector<std::string> list_old_commit_pages(const store::ObjectStore& store,
                                               const std::string& source,
                                               std::span<const CommitEntry> entries,
                                               std::stop_token stop) {
  std::vector<std::string> old;
  for (const Page& page : list_pages(store, source, entries, stop)) {
    if (page.backups() < kLeastBackupsOfPage) {
      old.push_back(page.object);
    }
  }
  return old;
}

}  // namespace keyrewind::catalog
