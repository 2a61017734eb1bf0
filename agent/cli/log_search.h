#pragma once

#include "aof/command_reader.h"
#include "api/timeline_json.h"
#include "base/clock.h"
#include "base/progress.h"
#include "catalog/catalog.h"
#include "catalog/timeline.h"

#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

namespace keyrewind::cli {

/// What `timeline --find` looks for: "NAME GLOB" finds commands of that name of which a word
/// matches, and "WORD" those that are called so or of which a word matches. Names are compared
/// without regard to capitals, and NAME may be a glob, too. Of a command its first 64 words are
/// looked at, and of each its first 1,024 bytes.
class LogPattern {
 public:
  /// Throws Error(config) if it is empty.
  explicit LogPattern(const std::string& text);

  /// The number of the word that matches: 0 is the name. Nothing if none does.
  std::optional<std::size_t> find_in(const aof::Command& command) const;

 private:
  std::optional<std::size_t> find_word(const aof::Command& command) const;

  std::string name_;                 ///< A glob in lower case.
  std::optional<std::string> word_;  ///< A glob; nothing: the name alone was given, or a word.
  std::string either_;               ///< That name or word as it was written.
};

/// A command of the log, as `timeline --find` shows it.
struct LogMatch {
  Timestamp at{};
  std::string lineage;
  std::int64_t offset = 0;  ///< Behind the command.
  std::int64_t before = 0;  ///< The last safe offset in front of it.
  std::optional<std::uint64_t> database;
  std::string command;
  std::uint64_t words = 0;  ///< Its name and all that follows.
  /// The beginning of the word that matched, or else of the one behind the name.
  std::optional<std::string> key;
};

struct LogSearch {
  std::vector<LogMatch> matches;      ///< In the order of the windows, and within one of the log.
  bool has_more = false;              ///< There were more than the limit.
  std::vector<std::string> problems;  ///< Where the log could not be read, a line each.
};

/// Reads the log of the timeline's windows as far as it arrived in `span` and finds at most `limit`
/// commands. Damage ends the search of a window only. Throws Error(unavailable | denied) if the
/// repository fails.
LogSearch search_log(const catalog::Catalog& catalog, const catalog::Timeline& timeline,
                     const LogPattern& pattern, const api::TimeSpan& span, std::size_t limit,
                     Progress& progress, const std::stop_token& stop);

/// {"source","matches","has_more","problems"}. Fields are only ever added.
nlohmann::ordered_json to_json(const std::string& source, const LogSearch& search);

/// For people, a line each; what does not print in a key as "\x0a".
std::string to_text(const LogSearch& search);

}  // namespace keyrewind::cli
