#include "catalog/names.h"

#include "store/object_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>

namespace keyrewind::catalog::names {
namespace {

constexpr std::size_t kLineageDigits = 40;

// The ends of the names of segments, and of their plain indexes.
constexpr std::string_view kSegment = ".aof.zst";
constexpr std::string_view kEncryptedSegment = ".aof.zst.age";
constexpr std::string_view kSegmentIndex = ".index";

bool is_letter_or_digit(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/// What stands between `prefix` and `suffix` in `name`, if it is just that.
std::optional<std::string_view> between(std::string_view name, std::string_view prefix,
                                        std::string_view suffix) {
  if (name.size() < prefix.size() + suffix.size() || !name.starts_with(prefix) ||
      !name.ends_with(suffix)) {
    return std::nullopt;
  }
  name.remove_prefix(prefix.size());
  name.remove_suffix(suffix.size());
  return name;
}

/// The id of "<at least `digits` digits>-<id>", and the number before it.
std::optional<std::pair<std::uint64_t, std::string>> numbered_id(std::string_view text,
                                                                 std::size_t digits) {
  const std::size_t dash = text.find('-');
  if (dash == std::string_view::npos || dash < digits) {
    return std::nullopt;
  }
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + dash, number);
  const std::string_view id = text.substr(dash + 1);
  if (error != std::errc() || end != text.data() + dash || !is_valid_source(id)) {
    return std::nullopt;
  }
  return std::pair(number, std::string(id));
}

/// The number of an offset with its leading zeros.
std::optional<std::int64_t> offset_from(std::string_view text) {
  std::int64_t offset = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), offset);
  if (error != std::errc() || end != text.data() + text.size() || text.front() == '-') {
    return std::nullopt;
  }
  return offset;
}

/// A number as it is written in a name.
std::optional<std::uint64_t> number_from(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return number;
}

/// The backup in whose folder `name` is the file `file`, which begins with a slash.
std::optional<std::string> id_of_backup_file(const std::string& source, std::string_view file,
                                             std::string_view name) {
  const auto id = between(name, backups(source), file);
  if (!id || !is_valid_source(*id)) {
    return std::nullopt;
  }
  return std::string(*id);
}

/// The number of `digits` digits from `at` on; nothing if there is anything else.
std::optional<unsigned> digits_at(std::string_view text, std::size_t at, std::size_t digits) {
  unsigned number = 0;
  for (const char c : text.substr(at, digits)) {
    if (c < '0' || c > '9') {
      return std::nullopt;
    }
    number = number * 10 + static_cast<unsigned>(c - '0');
  }
  return number;
}

/// Reads what `to_compact` writes. A listing may have a million of them.
std::optional<Timestamp> from_compact(std::string_view text) {
  if (text.size() != 16 || text[8] != 'T' || text[15] != 'Z') {
    return std::nullopt;
  }
  const auto year = digits_at(text, 0, 4);
  const auto month = digits_at(text, 4, 2);
  const auto day = digits_at(text, 6, 2);
  const auto hour = digits_at(text, 9, 2);
  const auto minute = digits_at(text, 11, 2);
  const auto second = digits_at(text, 13, 2);
  if (!year || !month || !day || !hour || !minute || !second || *hour > 23 || *minute > 59 ||
      *second > 59) {
    return std::nullopt;
  }
  const std::chrono::year_month_day date{std::chrono::year(static_cast<int>(*year)),
                                         std::chrono::month(*month), std::chrono::day(*day)};
  if (!date.ok()) {
    return std::nullopt;
  }
  return Timestamp(std::chrono::sys_days(date)) + std::chrono::hours(*hour) +
         std::chrono::minutes(*minute) + std::chrono::seconds(*second);
}

}  // namespace

std::string repository() {
  return "keyrewind.json";
}

std::string source(const std::string& source) {
  return fmt::format("sources/{}/", source);
}

std::string source_record(const std::string& source) {
  return fmt::format("sources/{}/source.json", source);
}

std::string commit(const std::string& source, std::uint64_t sequence, const std::string& id) {
  return fmt::format("sources/{}/commits/{:010}-{}.json", source, sequence, id);
}

std::string commits(const std::string& source) {
  return fmt::format("sources/{}/commits/", source);
}

std::optional<CommitName> parse_commit(const std::string& source, std::string_view name) {
  const auto stem = between(name, commits(source), ".json");
  const auto found = stem ? numbered_id(*stem, 10) : std::nullopt;
  if (!found) {
    return std::nullopt;
  }
  return CommitName{found->first, found->second};
}

std::string manifest(const std::string& source, const std::string& id) {
  return fmt::format("sources/{}/backups/{}/manifest.json", source, id);
}

std::string backups(const std::string& source) {
  return fmt::format("sources/{}/backups/", source);
}

std::optional<std::string> id_of_manifest(const std::string& source, std::string_view name) {
  return id_of_backup_file(source, "/manifest.json", name);
}

std::string details(const std::string& source, const std::string& id) {
  return fmt::format("sources/{}/backups/{}/details.json{}", source, id, store::kEncryptedSuffix);
}

std::optional<std::string> id_of_details(const std::string& source, std::string_view name) {
  return id_of_backup_file(source, fmt::format("/details.json{}", store::kEncryptedSuffix), name);
}

std::string snapshot(const std::string& source, const std::string& shard,
                     const std::string& lineage, std::int64_t offset, const std::string& id,
                     bool encrypted) {
  return fmt::format("sources/{}/shards/{}/lineages/{}/snapshots/{:020}-{}.rdb.zst{}", source,
                     shard, lineage, offset, id, encrypted ? store::kEncryptedSuffix : "");
}

std::string shards(const std::string& source) {
  return fmt::format("sources/{}/shards/", source);
}

std::optional<std::string> id_of_snapshot(const std::string& source, std::string_view name) {
  if (name.ends_with(store::kEncryptedSuffix)) {
    name.remove_suffix(store::kEncryptedSuffix.size());
  }
  auto rest = between(name, shards(source), ".rdb.zst");
  for (const std::string_view folder : {"/lineages/", "/snapshots/"}) {
    const std::size_t found = rest ? rest->find('/') : std::string_view::npos;
    if (found == std::string_view::npos || !rest->substr(found).starts_with(folder)) {
      return std::nullopt;
    }
    rest = rest->substr(found + folder.size());
  }
  const auto found = numbered_id(*rest, 20);
  if (!found) {
    return std::nullopt;
  }
  return found->second;
}

std::string lineages(const std::string& source, const std::string& shard) {
  return fmt::format("sources/{}/shards/{}/lineages/", source, shard);
}

std::string segment(const std::string& source, const std::string& shard, const SegmentName& name) {
  const std::string generation =
      name.generation == 0 ? std::string() : fmt::format("-{}", name.generation);
  return fmt::format("{}{}/log/{:020}-{:020}-{}-{}{}{}", lineages(source, shard), name.lineage,
                     name.begin, name.end, to_compact(name.last), name.level, generation,
                     name.encrypted ? kEncryptedSegment : kSegment);
}

std::optional<SegmentName> parse_segment(const std::string& source, const std::string& shard,
                                         std::string_view name) {
  const bool encrypted = name.ends_with(kEncryptedSegment);
  const auto rest =
      between(name, lineages(source, shard), encrypted ? kEncryptedSegment : kSegment);
  if (!rest) {
    return std::nullopt;
  }
  constexpr std::string_view kFolder = "/log/";
  constexpr std::size_t kStem = 20 + 1 + 20 + 1 + 16 + 1 + 1;  // But for the generation.
  const std::string_view lineage = rest->substr(0, kLineageDigits);
  if (!is_valid_lineage(lineage) || rest->size() < kLineageDigits + kFolder.size() + kStem ||
      !rest->substr(kLineageDigits).starts_with(kFolder)) {
    return std::nullopt;
  }
  const std::string_view stem = rest->substr(kLineageDigits + kFolder.size());
  const auto begin = offset_from(stem.substr(0, 20));
  const auto end = offset_from(stem.substr(21, 20));
  const auto last = from_compact(stem.substr(42, 16));
  const auto generation =
      stem.size() == kStem ? std::uint64_t{0} : number_from(stem.substr(kStem + 1));
  if (!begin || !end || *begin >= *end || !last || !generation) {
    return std::nullopt;
  }
  const SegmentName found{.lineage = std::string(lineage),
                          .begin = *begin,
                          .end = *end,
                          .last = *last,
                          .level = static_cast<std::uint64_t>(stem[kStem - 1] - '0'),
                          .generation = *generation,
                          .encrypted = encrypted};
  // But for the generation, which may have any number of digits, all stands at its place.
  const bool is_ours = stem[20] == '-' && stem[41] == '-' && stem[58] == '-' &&
                       (stem.size() == kStem || (stem[kStem] == '-' && stem[kStem + 1] != '0'));
  if (!is_ours || found.level > kMaxLevel) {
    return std::nullopt;
  }
  return found;
}

std::string segment_index(std::string_view segment) {
  return std::string(segment.substr(0, segment.size() - kEncryptedSegment.size())) +
         std::string(kSegmentIndex);
}

std::optional<std::string> segment_of_index(std::string_view name) {
  if (!name.ends_with(kSegmentIndex) || !is_of_agent(name)) {
    return std::nullopt;
  }
  return std::string(name.substr(0, name.size() - kSegmentIndex.size())) +
         std::string(kEncryptedSegment);
}

std::string event(const std::string& source, const std::string& shard, const std::string& lineage,
                  const std::string& id) {
  return fmt::format("{}{}/events/{}.json", lineages(source, shard), lineage, id);
}

std::optional<EventName> parse_event(const std::string& source, const std::string& shard,
                                     std::string_view name) {
  constexpr std::string_view kFolder = "/events/";
  const auto rest = between(name, lineages(source, shard), ".json");
  if (!rest || rest->size() <= kLineageDigits + kFolder.size() ||
      !rest->substr(kLineageDigits).starts_with(kFolder)) {
    return std::nullopt;
  }
  const std::string_view lineage = rest->substr(0, kLineageDigits);
  const std::string_view id = rest->substr(kLineageDigits + kFolder.size());
  if (!is_valid_lineage(lineage) || !is_valid_source(id)) {
    return std::nullopt;
  }
  return EventName{std::string(lineage), std::string(id)};
}

bool is_of_agent(std::string_view name) noexcept {
  // sources/<source>/shards/<shard>/lineages/<lineage>/log/…
  for (const std::string_view folder : {"sources", "", "shards", "", "lineages", ""}) {
    const std::size_t slash = name.find('/');
    if (slash == std::string_view::npos || (!folder.empty() && name.substr(0, slash) != folder)) {
      return false;
    }
    name.remove_prefix(slash + 1);
  }
  return name.starts_with("log/") || name.starts_with("events/");
}

std::string restore_requests(const std::string& source) {
  return fmt::format("sources/{}/restore-requests/", source);
}

std::string restore_request(const std::string& source, std::uint64_t number) {
  return fmt::format("{}{:010}.json", restore_requests(source), number);
}

std::optional<std::uint64_t> parse_restore_request(const std::string& source,
                                                   std::string_view name) {
  const auto stem = between(name, restore_requests(source), ".json");
  const auto number = stem ? number_from(*stem) : std::nullopt;
  if (!number || restore_request(source, *number) != name) {
    return std::nullopt;
  }
  return number;
}

std::string restore_cancellation(const std::string& source, std::uint64_t number) {
  return fmt::format("{}{:010}-cancelled.json", restore_requests(source), number);
}

std::string restore_outcome(const std::string& source, std::uint64_t number,
                            const std::string& shard) {
  return fmt::format("{}{:010}/{}.json", restore_requests(source), number, shard);
}

std::string restore_failures(const std::string& source, std::uint64_t number,
                             const std::string& shard) {
  return fmt::format("{}{:010}/{}/", restore_requests(source), number, shard);
}

std::string drills(const std::string& source) {
  return fmt::format("sources/{}/drills/", source);
}

std::string drill(const std::string& source, const std::string& id, const std::string& backup) {
  return fmt::format("{}{}-{}.json", drills(source), id, backup);
}

std::optional<DrillName> parse_drill(const std::string& source, std::string_view name) {
  constexpr std::size_t kIdSize = 16 + 1 + 6;  // "20261120T130221Z-1a2b3c"
  const auto stem = between(name, drills(source), ".json");
  if (!stem || stem->size() < kIdSize + 2 || (*stem)[kIdSize] != '-' ||
      !from_compact(stem->substr(0, 16))) {
    return std::nullopt;
  }
  DrillName found{std::string(stem->substr(0, kIdSize)), std::string(stem->substr(kIdSize + 1))};
  if (!is_valid_source(found.id) || !is_valid_source(found.backup)) {
    return std::nullopt;
  }
  return found;
}

std::string lease(const std::string& source, const std::string& shard) {
  return fmt::format("sources/{}/leases/{}.json", source, shard);
}

std::string agent_lock(const std::string& source, const std::string& shard) {
  return fmt::format("sources/{}/shards/{}/agent", source, shard);
}

std::string lock(const std::string& source, const std::string& backup, const std::string& id) {
  return fmt::format("{}{}/{}.json", locks(source), backup, id);
}

std::string locks(const std::string& source) {
  return fmt::format("sources/{}/locks/", source);
}

std::optional<LockName> parse_lock(const std::string& source, std::string_view name) {
  const auto stem = between(name, locks(source), ".json");
  const std::size_t slash = stem ? stem->find('/') : std::string_view::npos;
  if (slash == std::string_view::npos) {
    return std::nullopt;
  }
  LockName found{std::string(stem->substr(0, slash)), std::string(stem->substr(slash + 1))};
  if (!is_valid_source(found.backup) || !is_valid_source(found.id)) {
    return std::nullopt;
  }
  return found;
}

std::string hold(const std::string& source, const std::string& id) {
  return fmt::format("{}{}.json", holds(source), id);
}

std::string holds(const std::string& source) {
  return fmt::format("sources/{}/holds/", source);
}

std::optional<std::string> id_of_hold(const std::string& source, std::string_view name) {
  const auto id = between(name, holds(source), ".json");
  if (!id || !is_valid_source(*id)) {
    return std::nullopt;
  }
  return std::string(*id);
}

std::string trim(const std::string& source, const std::string& shard, const std::string& lineage,
                 std::int64_t offset) {
  return fmt::format("{}{:020}.json", trims(source, shard, lineage), offset);
}

std::string trims(const std::string& source, const std::string& shard, const std::string& lineage) {
  return fmt::format("{}{}/trims/", lineages(source, shard), lineage);
}

std::optional<TrimName> parse_trim(const std::string& source, const std::string& shard,
                                   std::string_view name) {
  constexpr std::string_view kFolder = "/trims/";
  constexpr std::size_t kDigits = 20;
  const auto rest = between(name, lineages(source, shard), ".json");
  if (!rest || rest->size() != kLineageDigits + kFolder.size() + kDigits ||
      !rest->substr(kLineageDigits).starts_with(kFolder)) {
    return std::nullopt;
  }
  const std::string_view lineage = rest->substr(0, kLineageDigits);
  const auto offset = offset_from(rest->substr(kLineageDigits + kFolder.size()));
  if (!is_valid_lineage(lineage) || !offset) {
    return std::nullopt;
  }
  return TrimName{std::string(lineage), *offset};
}

std::string log_page(const std::string& source, const std::string& shard,
                     const std::string& lineage, std::int64_t begin, std::int64_t end) {
  return fmt::format("{}{}/pages/{:020}-{:020}.index", lineages(source, shard), lineage, begin,
                     end);
}

std::optional<LogPageName> parse_log_page(const std::string& source, const std::string& shard,
                                          std::string_view name) {
  constexpr std::string_view kFolder = "/pages/";
  const auto rest = between(name, lineages(source, shard), ".index");
  if (!rest || rest->size() != kLineageDigits + kFolder.size() + 41 ||
      !rest->substr(kLineageDigits).starts_with(kFolder)) {
    return std::nullopt;
  }
  const std::string_view lineage = rest->substr(0, kLineageDigits);
  const std::string_view stem = rest->substr(kLineageDigits + kFolder.size());
  const auto begin = offset_from(stem.substr(0, 20));
  const auto end = offset_from(stem.substr(21));
  if (!is_valid_lineage(lineage) || !begin || !end || *begin >= *end || stem[20] != '-') {
    return std::nullopt;
  }
  return LogPageName{std::string(lineage), *begin, *end};
}

std::string commit_page(const std::string& source, const CommitPageName& name) {
  return fmt::format("{}{:010}-{:010}.zst", commit_pages(source), name.first, name.last);
}

std::string commit_pages(const std::string& source) {
  return fmt::format("sources/{}/pages/", source);
}

std::optional<CommitPageName> parse_commit_page(const std::string& source, std::string_view name) {
  const auto stem = between(name, commit_pages(source), ".zst");
  const std::size_t dash = stem ? stem->find('-') : std::string_view::npos;
  if (dash == std::string_view::npos) {
    return std::nullopt;
  }
  const auto first = number_from(stem->substr(0, dash));
  const auto last = number_from(stem->substr(dash + 1));
  if (!first || !last || *first > *last || commit_page(source, {*first, *last}) != name) {
    return std::nullopt;
  }
  return CommitPageName{*first, *last};
}

bool is_of_one_repository(const std::string& source, std::string_view name) noexcept {
  const std::string ours = names::source(source);
  if (!name.starts_with(ours)) {
    return false;
  }
  const std::string_view rest = name.substr(ours.size());
  const bool is_of_log = rest.find("/trims/") != std::string_view::npos ||
                         rest.find("/pages/") != std::string_view::npos;
  return rest.starts_with("leases/") || rest.starts_with("holds/") || rest.starts_with("pages/") ||
         (rest.starts_with("shards/") && is_of_log);
}

std::string copier_lock(const std::string& source) {
  return fmt::format("sources/{}/copier-backups", source);
}

std::string prune_lock(const std::string& source) {
  return fmt::format("sources/{}/prune", source);
}

bool is_valid_lineage(std::string_view text) noexcept {
  return text.size() == kLineageDigits && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

std::string writer_lock(const std::string& source) {
  return fmt::format("sources/{}/writer", source);
}

bool is_valid_source(std::string_view source) noexcept {
  return !source.empty() && source.size() <= 63 && is_letter_or_digit(source.front()) &&
         std::all_of(source.begin(), source.end(), [](char c) {
           return is_letter_or_digit(c) || c == '.' || c == '_' || c == '-';
         });
}

}  // namespace keyrewind::catalog::names
