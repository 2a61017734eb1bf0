#include "catalog/names.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace keyrewind::catalog::names {
namespace {

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
  const auto id = between(name, backups(source), "/manifest.json");
  if (!id || !is_valid_source(*id)) {
    return std::nullopt;
  }
  return std::string(*id);
}

std::string snapshot(const std::string& source, const std::string& shard,
                     const std::string& lineage, std::int64_t offset, const std::string& id) {
  return fmt::format("sources/{}/shards/{}/lineages/{}/snapshots/{:020}-{}.rdb.zst", source, shard,
                     lineage, offset, id);
}

std::string shards(const std::string& source) {
  return fmt::format("sources/{}/shards/", source);
}

std::optional<std::string> id_of_snapshot(const std::string& source, std::string_view name) {
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
