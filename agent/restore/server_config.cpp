#include "restore/server_config.h"

#include "base/bytes.h"
#include "base/error.h"
#include "io/file.h"

#include <fmt/format.h>
#include <glob.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <memory>
#include <string_view>
#include <vector>

namespace keyrewind::restore {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxFileBytes = 1U << 20U;
constexpr int kMaxIncludeDepth = 16;

std::string to_lower(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  if (c >= 'a' && c <= 'f') {
    return c - 'a' + 10;
  }
  if (c >= 'A' && c <= 'F') {
    return c - 'A' + 10;
  }
  return -1;
}

/// One configuration line cut into words, quoted ones included (src/sds.c sdssplitargs). Nothing if
/// a quote is not closed or something follows it at once.
class LineSplitter {
 public:
  explicit LineSplitter(std::string_view line) : line_(line) {}

  std::optional<std::vector<std::string>> split() {
    std::vector<std::string> words;
    while (true) {
      while (at_ < line_.size() && is_space(line_[at_])) {
        ++at_;
      }
      if (at_ == line_.size()) {
        return words;
      }
      std::string word;
      if (!take_word(word)) {
        return std::nullopt;
      }
      words.push_back(std::move(word));
    }
  }

 private:
  static bool is_space(char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; }

  bool take_word(std::string& word) {
    while (at_ < line_.size() && !is_space(line_[at_])) {
      const char c = line_[at_++];
      if (c == '"' || c == '\'') {
        return take_quoted(c, word);
      }
      word.push_back(c);
    }
    return true;
  }

  bool take_quoted(char quote, std::string& word) {
    while (at_ < line_.size()) {
      const char c = line_[at_++];
      if (c == quote) {
        return at_ == line_.size() || is_space(line_[at_]);
      }
      if (c == '\\' && at_ < line_.size()) {
        take_escape(quote, word);
      } else {
        word.push_back(c);
      }
    }
    return false;
  }

  void take_escape(char quote, std::string& word) {
    const char c = line_[at_++];
    if (quote == '\'') {
      if (c != '\'') {
        word.push_back('\\');
      }
      word.push_back(c);
      return;
    }
    if (c == 'x' && at_ + 1 < line_.size() && hex_value(line_[at_]) >= 0 &&
        hex_value(line_[at_ + 1]) >= 0) {
      word.push_back(static_cast<char>(hex_value(line_[at_]) * 16 + hex_value(line_[at_ + 1])));
      at_ += 2;
      return;
    }
    constexpr std::string_view kNames = "nrtba";
    constexpr std::string_view kValues = "\n\r\t\b\a";
    const auto known = kNames.find(c);
    word.push_back(known == std::string_view::npos ? c : kValues[known]);
  }

  const std::string_view line_;
  std::size_t at_ = 0;
};

/// A memory size as the server reads it (src/util.c memtoull): k is 1000 and kb 1024.
std::optional<std::uint64_t> memory_size(const std::string& text) {
  std::uint64_t number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc()) {
    return std::nullopt;
  }
  const std::string unit = to_lower(text.substr(static_cast<std::size_t>(end - text.data())));
  static constexpr std::pair<std::string_view, std::uint64_t> kUnits[] = {
      {"", 1},          {"b", 1},          {"k", 1000},          {"kb", 1U << 10U},
      {"m", 1'000'000}, {"mb", 1U << 20U}, {"g", 1'000'000'000}, {"gb", 1U << 30U}};
  for (const auto& [name, bytes] : kUnits) {
    if (unit == name) {
      return number * bytes;
    }
  }
  return std::nullopt;
}

class ConfigReader {
 public:
  ServerConfig read(const std::vector<fs::path>& files) {
    for (const fs::path& file : files) {
      read_file(file, 0);
    }
    return config_;
  }

 private:
  void read_file(const fs::path& file, int depth) {
    if (depth > kMaxIncludeDepth) {
      throw Error(ErrorKind::config,
                  fmt::format("server configuration {} is included too deeply", file.string()));
    }
    Bytes content;
    try {
      content = io::read_file(file, kMaxFileBytes, Side::here);
    } catch (const Error& error) {
      throw Error(ErrorKind::config, fmt::format("server configuration: {}", error.what()));
    }
    std::string_view rest = as_text(content);
    for (int number = 1; !rest.empty(); ++number) {
      const std::size_t end = std::min(rest.find('\n'), rest.size());
      read_line({file, number, depth}, rest.substr(0, end));
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  }

  struct Place {
    const fs::path& file;
    int line;
    int depth;
  };

  [[noreturn]] static void refuse(const Place& place, const std::string& why) {
    throw Error(ErrorKind::config, fmt::format("server configuration {}:{}: {}",
                                               place.file.string(), place.line, why));
  }

  void read_line(const Place& place, std::string_view line) {
    const std::size_t start = line.find_first_not_of(" \t\r");
    if (start == std::string_view::npos || line[start] == '#') {
      return;
    }
    const auto words = LineSplitter(line).split();
    if (!words) {
      refuse(place, "unbalanced quotes");
    }
    if (words->size() == 2) {
      set(place, to_lower((*words)[0]), (*words)[1]);
    }
  }

  void set(const Place& place, const std::string& option, const std::string& value) {
    if (option == "include") {
      include(place, value);
    } else if (option == "appendonly") {
      config_.appendonly = yes_or_no(place, option, value);
    } else if (option == "appendfilename") {
      config_.aof.stem = plain_name(place, option, value);
    } else if (option == "appenddirname") {
      config_.aof.folder = plain_name(place, option, value);
    } else if (option == "dbfilename") {
      config_.dbfilename = plain_name(place, option, value);
    } else if (option == "dir") {
      config_.dir = value;
    } else if (option == "maxmemory") {
      config_.maxmemory = number(place, option, memory_size(value));
    } else if (option == "databases") {
      config_.databases = number(place, option, memory_size(value));
    }
  }

  void include(const Place& place, const std::string& pattern) {
    std::vector<fs::path> files = matches(pattern);
    if (files.empty() && fs::path(pattern).is_relative()) {
      files = matches((place.file.parent_path() / pattern).string());
    }
    if (files.empty() && pattern.find_first_of("*?[") == std::string::npos) {
      refuse(place, fmt::format("the included file {} is not there", pattern));
    }
    for (const fs::path& file : files) {
      read_file(file, place.depth + 1);
    }
  }

  static std::vector<fs::path> matches(const std::string& pattern) {
    glob_t found{};
    const int result = glob(pattern.c_str(), 0, nullptr, &found);
    const std::unique_ptr<glob_t, void (*)(glob_t*)> free_it(&found, globfree);
    return result == 0 ? std::vector<fs::path>(found.gl_pathv, found.gl_pathv + found.gl_pathc)
                       : std::vector<fs::path>();
  }

  static bool yes_or_no(const Place& place, const std::string& option, const std::string& value) {
    const std::string word = to_lower(value);
    if (word != "yes" && word != "no") {
      refuse(place, fmt::format("{} must be yes or no, not '{}'", option, value));
    }
    return word == "yes";
  }

  static std::string plain_name(const Place& place, const std::string& option,
                                const std::string& value) {
    if (!is_plain_name(value)) {
      refuse(place, fmt::format("{} must be a plain name, not '{}'", option, value));
    }
    return value;
  }

  static std::uint64_t number(const Place& place, const std::string& option,
                              std::optional<std::uint64_t> value) {
    if (!value) {
      refuse(place, fmt::format("{} must be a number", option));
    }
    return *value;
  }

  ServerConfig config_;
};

}  // namespace

ServerConfig read_server_config(const fs::path& file) {
  return ConfigReader().read({file});
}

ServerConfig read_server_config(const std::vector<fs::path>& files) {
  return ConfigReader().read(files);
}

bool is_plain_name(const std::string& name) {
  return !name.empty() && name != "." && name != ".." && name.find('/') == std::string::npos;
}

}  // namespace keyrewind::restore
