#include "cli/log_search.h"

#include "base/error.h"
#include "cli/glob.h"
#include "restore/log_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace keyrewind::cli {
namespace {

using aof::Command;
using catalog::Segment;
using catalog::TimeMark;
using catalog::Window;
using nlohmann::ordered_json;

/// Thrown inside once there are more matches than are wanted.
struct Enough {};

std::string to_lower(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return lower;
}

/// The segments of a window that may hold something of a span. The clock may have been set back, so
/// none between the first and the last such is left out.
struct SegmentRange {
  std::size_t first = 0;
  std::size_t end = 0;
};

SegmentRange segments_within(const Window& window, const api::TimeSpan& span) {
  SegmentRange range{window.segments.size(), 0};
  Timestamp before = window.from;
  for (std::size_t i = 0; i < window.segments.size(); ++i) {
    Timestamp earliest = before;
    Timestamp latest = before;
    for (const TimeMark& mark : window.segments[i].marks) {
      earliest = std::min(earliest, mark.at);
      latest = std::max(latest, mark.at);
      before = mark.at;
    }
    if (span.overlaps(earliest, latest)) {
      range.first = std::min(range.first, i);
      range.end = i + 1;
    }
  }
  return range;
}

/// Searches one window.
class WindowSearch {
 public:
  WindowSearch(const Window& window, const LogPattern& pattern, const api::TimeSpan& span,
               std::size_t limit, LogSearch& found)
      : window_(window), pattern_(pattern), span_(span), limit_(limit), found_(found) {}

  void run(const catalog::Catalog& catalog, Progress& progress, const std::stop_token& stop) {
    const SegmentRange range = segments_within(window_, span_);
    if (range.first >= range.end) {
      return;
    }
    const Segment& first = window_.segments[range.first];
    safe_ = first.begin;
    aof::CommandReader reader(first.begin, first.database,
                              [this](const Command& command) { take(command); });
    restore::read_log(
        catalog, window_, first.begin, window_.segments[range.end - 1].end,
        [&](ByteView raw, Timestamp arrived) {
          arrived_ = arrived;
          reader.feed(raw);
        },
        progress, stop);
  }

 private:
  void take(const Command& command) {
    const std::int64_t before = safe_;
    follow_transactions(command);
    if (command.words.empty() || command.end <= window_.begin || !span_.holds(arrived_)) {
      return;
    }
    const auto word = pattern_.find_in(command);
    if (!word) {
      return;
    }
    if (found_.matches.size() == limit_) {
      found_.has_more = true;
      throw Enough();
    }
    add(command, *word, before);
  }

  /// A safe offset is one outside MULTI.
  void follow_transactions(const Command& command) {
    if (command.words.empty()) {
      return;
    }
    const std::string_view name = command.words.front();
    if (aof::is_word(name, "multi")) {
      in_transaction_ = true;
    } else if (aof::is_word(name, "exec") || aof::is_word(name, "discard")) {
      in_transaction_ = false;
    }
    if (!in_transaction_) {
      safe_ = command.end;
    }
  }

  void add(const Command& command, std::size_t word, std::int64_t before) {
    LogMatch match;
    match.at = arrived_;
    match.lineage = window_.lineage;
    match.offset = command.end;
    match.before = before;
    match.database = command.database;
    match.command = command.words.front();
    match.words = command.word_count;
    const std::size_t key = std::max<std::size_t>(word, 1);
    if (key < command.words.size()) {
      match.key = command.words[key];
    }
    found_.matches.push_back(std::move(match));
  }

  const Window& window_;
  const LogPattern& pattern_;
  const api::TimeSpan& span_;
  const std::size_t limit_;
  LogSearch& found_;
  Timestamp arrived_{};
  std::int64_t safe_ = 0;
  bool in_transaction_ = false;
};

bool is_damage(const Error& error) {
  return error.kind() == ErrorKind::corrupt || error.kind() == ErrorKind::protocol;
}

/// In quotes, as one line whatever it holds.
std::string to_quoted(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += c;
    } else if (byte < 0x20 || byte >= 0x7f) {
      quoted += fmt::format("\\x{:02x}", byte);
    } else {
      quoted += c;
    }
  }
  return quoted + "\"";
}

ordered_json to_json(const LogMatch& match) {
  return {{"at", to_rfc3339(match.at)},
          {"lineage", match.lineage},
          {"offset", match.offset},
          {"before", match.before},
          {"database", match.database ? ordered_json(*match.database) : ordered_json()},
          {"command", match.command},
          {"words", match.words},
          {"key", match.key ? ordered_json(*match.key) : ordered_json()}};
}

}  // namespace

LogPattern::LogPattern(const std::string& text) {
  const std::size_t begin = text.find_first_not_of(' ');
  if (begin == std::string::npos) {
    throw Error(ErrorKind::config,
                "--find needs something to look for, such as 'DEL user:*' or FLUSHALL");
  }
  const std::size_t space = text.find(' ', begin);
  const std::size_t word = space == std::string::npos ? space : text.find_first_not_of(' ', space);
  either_ = text.substr(begin, space == std::string::npos ? space : space - begin);
  name_ = to_lower(either_);
  if (word != std::string::npos) {
    word_ = text.substr(word);
  }
}

std::optional<std::size_t> LogPattern::find_in(const Command& command) const {
  const bool is_called_so = matches_glob(name_, to_lower(command.words.front()));
  if (word_) {
    return is_called_so ? find_word(command) : std::nullopt;
  }
  return is_called_so ? std::optional<std::size_t>(0) : find_word(command);
}

std::optional<std::size_t> LogPattern::find_word(const Command& command) const {
  const std::string& glob = word_ ? *word_ : either_;
  for (std::size_t i = 1; i < command.words.size(); ++i) {
    if (matches_glob(glob, command.words[i])) {
      return i;
    }
  }
  return std::nullopt;
}

LogSearch search_log(const catalog::Catalog& catalog, const catalog::Timeline& timeline,
                     const LogPattern& pattern, const api::TimeSpan& span, std::size_t limit,
                     Progress& progress, const std::stop_token& stop) {
  LogSearch found;
  for (const Window& window : timeline.windows) {
    try {
      WindowSearch(window, pattern, span, limit, found).run(catalog, progress, stop);
    } catch (const Enough&) {
      break;
    } catch (const Error& error) {
      if (!is_damage(error)) {
        throw;
      }
      found.problems.emplace_back(error.what());
    }
  }
  return found;
}

ordered_json to_json(const std::string& source, const LogSearch& search) {
  auto matches = ordered_json::array();
  for (const LogMatch& match : search.matches) {
    matches.push_back(to_json(match));
  }
  return {{"source", source},
          {"matches", std::move(matches)},
          {"has_more", search.has_more},
          {"problems", search.problems}};
}

std::string to_text(const LogSearch& search) {
  std::string text;
  for (const LogMatch& match : search.matches) {
    text += fmt::format(
        "{}  offset {}, before {}  database {}  {}{}, {} word{}\n", to_rfc3339(match.at),
        match.offset, match.before, match.database ? std::to_string(*match.database) : "?",
        to_quoted(match.command).substr(1, to_quoted(match.command).size() - 2),
        match.key ? " " + to_quoted(*match.key) : "", match.words, match.words == 1 ? "" : "s");
  }
  if (search.matches.empty()) {
    text += "nothing in the log matches\n";
  } else {
    text += "keyrewind restore --at offset:BEFORE restores the moment before one\n";
  }
  if (search.has_more) {
    text += "there are more; see --limit, --from and --until\n";
  }
  for (const std::string& problem : search.problems) {
    text += fmt::format("problem: {}\n", problem);
  }
  return text;
}

}  // namespace keyrewind::cli
