#include "base/duration.h"
#include "base/size.h"
#include "config/load.h"
#include "config/rate.h"
#include "config/values.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <limits>
#include <vector>

namespace keyrewind::config {
namespace {

constexpr std::size_t kColumns = 100;

/// The example of an option that can only be left empty.
constexpr std::string_view kNothing = "\"\"";

constexpr std::string_view kPreamble =
    "Every option of Keyrewind with its default; those that have none show an example. An option "
    "that is left out has its default. `keyrewind config reference` prints this file, `keyrewind "
    "config check` finds the mistakes in yours, `keyrewind config schema` is for editors.";

constexpr std::string_view kPreambleOfVariables =
    "Each option may also come from a variable of the environment, which wins over the file: "
    "KEYREWIND_ and the names joined by two underscores, such as KEYREWIND_SOURCE__TLS__CA_FILE. "
    "KEYREWIND_CONFIG_YAML may hold a whole file. In values, ${VARIABLE}, ${VARIABLE:-default} and "
    "${VARIABLE:?message} are replaced; $$ is a dollar sign.";

/// Words that some version of YAML takes for something other than text.
constexpr std::array<std::string_view, 9> kYamlWords{"true", "false", "yes", "no", "on",
                                                     "off",  "null",  "y",   "n"};

bool is_yaml_word(std::string_view text) {
  std::string small(text);
  std::transform(small.begin(), small.end(), small.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return std::find(kYamlWords.begin(), kYamlWords.end(), small) != kYamlWords.end();
}

/// Whether every YAML parser reads `text` without quotes as itself.
bool is_plain(std::string_view text) {
  constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  constexpr std::string_view kInside =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._/:-";
  const bool begins_well = !text.empty() && (text.front() == '/' ||
                                             kLetters.find(text.front()) != std::string_view::npos);
  return begins_well && text.back() != ':' &&
         text.find_first_not_of(kInside) == std::string_view::npos && !is_yaml_word(text);
}

/// So that none begins a variable.
std::string double_dollars(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    escaped += c;
    if (c == '$') {
      escaped += c;
    }
  }
  return escaped;
}

/// The text as a YAML scalar that `parse` reads back: JSON's strings are YAML, too.
std::string to_scalar(const std::string& text) {
  const std::string escaped = double_dollars(text);
  return is_plain(escaped) ? escaped : dump(Json(escaped), -1);
}

/// With quotes around every entry: a colon means more within brackets.
std::string to_list(const Json& texts) {
  std::vector<std::string> entries;
  for (const Json& text : texts) {
    entries.push_back(dump(Json(double_dollars(text.get<std::string>())), -1));
  }
  return fmt::format("[{}]", fmt::join(entries, ", "));
}

std::string to_scalar(const Option& option, const Config& config) {
  const Json value = value_of(option, config);
  if (option.kind == Kind::size) {
    return to_size(value.get<std::uint64_t>());
  }
  if (option.kind == Kind::rate) {
    return to_rate(value.get<std::uint64_t>());
  }
  if (option.kind == Kind::texts) {
    return to_list(value);
  }
  if (option.kind == Kind::duration || option.kind == Kind::percent) {
    return value.get<std::string>();
  }
  return value.is_string() ? to_scalar(value.get<std::string>()) : dump(value, -1);
}

std::span<const std::string_view> words_to_write(const Option& option) {
  return option.words.front().empty() ? option.words.subspan(1) : option.words;
}

/// What the table says of the option beside its description.
std::string constraints_of(const Option& option) {
  std::string text;
  if (option.required) {
    text += " Required.";
  }
  if (option.kind == Kind::word) {
    text += fmt::format(" One of: {}.", fmt::join(words_to_write(option), ", "));
  }
  if (option.kind == Kind::integer && option.min != option.max) {
    text += fmt::format(" From {} to {}.", option.min, option.max);
  }
  if (option.kind == Kind::percent) {
    text += fmt::format(" From {}% to {}%.", option.min, option.max);
  }
  if (option.kind == Kind::size) {
    const std::string or_else = option.zero_is_none ? " 0, or at" : " At";
    text += option.max == std::numeric_limits<std::uint64_t>::max()
                ? fmt::format("{} least {}.", or_else, to_size(option.min))
                : fmt::format(" From {} to {}.", to_size(option.min), to_size(option.max));
  }
  if (option.kind == Kind::duration) {
    text += fmt::format(" From {} to {}.", to_duration(std::chrono::milliseconds(option.min)),
                        to_duration(std::chrono::milliseconds(option.max)));
  }
  if (option.kind == Kind::rate) {
    text += fmt::format(" 0, or at least {}.", to_rate(option.min));
  }
  if (!option.pattern_in_words.empty()) {
    text += fmt::format(" It has {}.", option.pattern_in_words);
  }
  if (option.kind == Kind::texts) {
    text += fmt::format(" Example: [\"{}\"]", option.example);
  }
  if (option.kind == Kind::entries) {
    text += fmt::format(" Example: {}", option.example);
  }
  const bool has_default =
      option.kind == Kind::text && !value_of(option, Config()).get<std::string>().empty();
  const bool has_example = option.example != kNothing;
  const bool needs_example = !option.required && !has_default && has_example &&
                             (option.kind == Kind::text || option.kind == Kind::secret);
  if (needs_example) {
    text += fmt::format(" Example: {}", option.example);
  }
  return text;
}

/// Writes options as block-style YAML, opening the sections that they are in.
class YamlWriter {
 public:
  enum class Comments { none, all };

  explicit YamlWriter(Comments comments) : comments_(comments) {}

  void write_comment(std::string_view text, std::size_t indent) {
    std::string line;
    const auto end_line = [&] {
      text_ += fmt::format("{:{}}#{}\n", "", indent, line);
      line.clear();
    };
    while (!text.empty()) {
      const std::string_view word = text.substr(0, text.find(' '));
      text.remove_prefix(std::min(word.size() + 1, text.size()));
      if (indent + 1 + line.size() + 1 + word.size() > kColumns) {
        end_line();
      }
      line += ' ';
      line += word;
    }
    end_line();
  }

  void write_blank_line() { text_ += '\n'; }

  void write(const Option& option, const std::string& scalar) {
    open_section(parent_of(option.path));
    const std::size_t indent = indent_of(option.path);
    const bool is_at_top = parent_of(option.path).empty();
    if (option.kind == Kind::entries && is_at_top && comments_ == Comments::all) {
      write_blank_line();
    }
    if (comments_ == Comments::all) {
      write_comment(std::string(option.description) + constraints_of(option), indent);
    }
    write_line(indent, fmt::format("{}: {}", leaf_of(option.path), scalar));
  }

  /// Begins the list; its entries' options follow.
  void write_list(const Option& list) {
    open_section(parent_of(list.path));
    write_line(indent_of(list.path), fmt::format("{}:", leaf_of(list.path)));
  }

  /// The next option is the first of an entry.
  void begin_entry(std::string_view path) {
    open_ = path;
    begins_entry_ = true;
  }

  /// What follows stands beside the list again.
  void end_list(const Option& list) { open_ = parent_of(list.path); }

  std::string take() { return std::move(text_); }

 private:
  static std::size_t indent_of(std::string_view path) {
    return 2 * static_cast<std::size_t>(std::count(path.begin(), path.end(), '.'));
  }

  void open_section(std::string_view path) {
    if (path == open_) {
      return;
    }
    open_ = path;
    if (path.empty()) {
      return;
    }
    const std::size_t indent = indent_of(path);
    if (comments_ == Comments::all) {
      write_blank_line();
      write_comment(find_section(path)->description, indent);
    }
    write_line(indent, fmt::format("{}:", leaf_of(path)));
  }

  void write_line(std::size_t indent, std::string_view line) {
    text_ += begins_entry_ ? fmt::format("{:>{}}{}\n", "- ", indent, line)
                           : fmt::format("{:{}}{}\n", "", indent, line);
    begins_entry_ = false;
  }

  const Comments comments_;
  std::string text_;
  std::string_view open_;
  bool begins_entry_ = false;
};

void write_map(YamlWriter& writer, std::string_view path, const Config& config) {
  for (const Option* option : options_in(path)) {
    writer.write(*option, to_scalar(*option, config));
  }
  for (const Section* section : sections_in(path)) {
    write_map(writer, section->path, config);
  }
}

void write_entries(YamlWriter& writer, const Option& list, const Config& config) {
  writer.write_list(list);
  for (std::size_t index = 0; index < std::get<EntriesField>(list.field).count(config); ++index) {
    const Section* entry = find_section(entry_path(list, index));
    writer.begin_entry(entry->path);
    write_map(writer, entry->path, config);
  }
  writer.end_list(list);
}

/// The object at `path` within `root`, made if it is not there.
Json& object_at(Json& root, std::string_view path) {
  if (path.empty()) {
    return root;
  }
  return object_at(root, parent_of(path))[std::string(leaf_of(path))];
}

}  // namespace

std::string to_yaml(const Config& config) {
  YamlWriter writer(YamlWriter::Comments::none);
  for (const Option& option : options()) {
    if (option.kind == Kind::entries && !value_of(option, config).empty()) {
      write_entries(writer, option, config);
    } else {
      writer.write(option, to_scalar(option, config));
    }
  }
  return writer.take();
}

std::string to_json(const Config& config) {
  Json json = Json::object();
  for (const Option& option : options()) {
    object_at(json, parent_of(option.path))[std::string(leaf_of(option.path))] =
        value_of(option, config);
  }
  return dump(json, 2) + "\n";
}

std::string reference() {
  const Config defaults;
  YamlWriter writer(YamlWriter::Comments::all);
  writer.write_comment(kPreamble, 0);
  writer.write_comment("", 0);
  writer.write_comment(kPreambleOfVariables, 0);
  writer.write_blank_line();
  for (const Option& option : options()) {
    writer.write(option,
                 option.required ? std::string(option.example) : to_scalar(option, defaults));
  }
  return writer.take();
}

}  // namespace keyrewind::config
