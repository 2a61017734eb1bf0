#include "config/yaml_reader.h"

#include "base/error.h"
#include "config/expand.h"
#include "config/suggest.h"

#include <fmt/format.h>
#include <yaml-cpp/depthguard.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <sstream>
#include <utility>

namespace keyrewind::config {
namespace {

/// A configuration has some dozens of lines; what is larger is some other file.
constexpr std::size_t kMaxYamlBytes = 1 << 20;

constexpr std::string_view kPlainTag = "?";
constexpr std::string_view kQuotedTag = "!";
constexpr std::string_view kStringTag = "tag:yaml.org,2002:str";

/// What YAML itself defines and we read; the tags of other programs (!include, !env) would be
/// ignored silently.
constexpr std::array<std::string_view, 8> kKnownTags{"",
                                                     kPlainTag,
                                                     kQuotedTag,
                                                     kStringTag,
                                                     "tag:yaml.org,2002:int",
                                                     "tag:yaml.org,2002:map",
                                                     "tag:yaml.org,2002:seq",
                                                     "tag:yaml.org,2002:bool"};

std::string join(std::string_view section, std::string_view key) {
  return section.empty() ? std::string(key) : fmt::format("{}.{}", section, key);
}

/// The keys that may stand in `section`.
std::vector<std::string_view> keys_of(std::string_view section) {
  std::vector<std::string_view> keys;
  for (const Option* option : options_in(section)) {
    keys.push_back(leaf_of(option->path));
  }
  for (const Section* sub : sections_in(section)) {
    keys.push_back(leaf_of(sub->path));
  }
  return keys;
}

/// The sections in which `key` would be right: of those below `section` if there are any.
std::vector<std::string_view> homes_of(std::string_view section, std::string_view key) {
  std::vector<std::string_view> homes;
  for (const Section* sub : sections_in(section)) {
    if (find_option(join(sub->path, key)) != nullptr) {
      homes.push_back(sub->path);
    }
  }
  if (!homes.empty()) {
    return homes;
  }
  for (const Option& option : options()) {
    if (leaf_of(option.path) == key) {
      homes.push_back(parent_of(option.path));
    }
  }
  return homes;
}

/// Looks at where documents begin and at nothing else.
class DocumentStarts final : public YAML::EventHandler {
 public:
  const std::vector<YAML::Mark>& marks() const noexcept { return marks_; }

  void OnDocumentStart(const YAML::Mark& mark) override { marks_.push_back(mark); }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& /*mark*/, YAML::anchor_t /*anchor*/) override {}
  void OnAlias(const YAML::Mark& /*mark*/, YAML::anchor_t /*anchor*/) override {}
  void OnScalar(const YAML::Mark& /*mark*/, const std::string& /*tag*/, YAML::anchor_t /*anchor*/,
                const std::string& /*value*/) override {}
  void OnSequenceStart(const YAML::Mark& /*mark*/, const std::string& /*tag*/,
                       YAML::anchor_t /*anchor*/, YAML::EmitterStyle::value /*style*/) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark& /*mark*/, const std::string& /*tag*/, YAML::anchor_t /*anchor*/,
                  YAML::EmitterStyle::value /*style*/) override {}
  void OnMapEnd() override {}

 private:
  std::vector<YAML::Mark> marks_;
};

/// Where a second document begins, if one does. YAML::LoadAll would tell, too, but yaml-cpp 0.7
/// makes documents without end of ",`", until there is no memory left.
std::optional<YAML::Mark> second_document(const std::string& yaml) {
  std::istringstream stream(yaml);
  YAML::Parser parser(stream);
  DocumentStarts starts;
  for (int i = 0; i < 2 && parser.HandleNextDocument(starts); ++i) {
  }
  const auto& marks = starts.marks();
  return marks.size() > 1 ? std::optional(marks[1]) : std::nullopt;
}

/// "text", "a map" and so on, for what stands where it should not.
std::string_view kind_of(const YAML::Node& node) {
  if (node.IsMap()) {
    return "a map";
  }
  if (node.IsSequence()) {
    return "a list";
  }
  return node.IsScalar() ? "a single value" : "empty";
}

std::string_view wanted(const Option& option) {
  switch (option.kind) {
    case Kind::integer:
      return "a whole number";
    case Kind::size:
      return "a size";
    case Kind::duration:
      return "a duration";
    case Kind::boolean:
      return "true or false";
    case Kind::texts:
      return "a list of texts";
    case Kind::rate:
      return "a rate";
    case Kind::percent:
      return "a percentage";
    case Kind::entries:
      return "a list of maps";
    case Kind::text:
    case Kind::word:
    case Kind::secret:
      return "text";
  }
  return "text";
}

/// Where a secret may stand instead.
std::string secret_places(const Option& secret) {
  const std::string file = fmt::format("{}_file", secret.path);
  const std::string variable = fmt::format("the variable {}", variable_of(secret.path));
  return find_option(file) == nullptr
             ? variable
             : fmt::format("a file and name that in {}, or into {}", file, variable);
}

/// Names with dots are how messages and documents write what is nested in the file.
std::string key_with_dot(const std::string& path, const std::string& key) {
  const std::string way_out = find_option(path) == nullptr
                                  ? std::string()
                                  : fmt::format("; write '{}' in a line of its own below '{}'",
                                                leaf_of(path), leaf_of(parent_of(path)));
  return fmt::format("unknown key {}{}", in_quotes(key), way_out);
}

class YamlReader {
 public:
  YamlReader(const std::string& name, const Environment& environment, Draft& draft)
      : name_(name), environment_(environment), draft_(draft) {}

  bool read(std::string_view yaml) {
    if (yaml.size() > kMaxYamlBytes) {
      draft_.add_problem({name_}, fmt::format("is larger than {} bytes, so it is no configuration",
                                              kMaxYamlBytes));
      return false;
    }
    try {
      return read_document(std::string(yaml));
    } catch (const YAML::DeepRecursion& error) {
      draft_.add_problem(place_of(error.mark), "is nested too deeply to be a configuration");
    } catch (const YAML::Exception& error) {
      draft_.add_problem(place_of(error.mark), fmt::format("not valid YAML: {}", error.msg));
    }
    return false;
  }

 private:
  bool read_document(const std::string& yaml) {
    if (const auto second = second_document(yaml)) {
      draft_.add_problem(place_of(*second),
                         "a second document begins; a configuration is a single one");
      return false;
    }
    const YAML::Node root = YAML::Load(yaml);
    if (root.IsNull()) {
      draft_.add_problem({name_}, "is empty; 'version: 1' begins a configuration");
      return false;
    }
    if (!root.IsMap()) {
      draft_.add_problem(place_of(root.Mark()),
                         fmt::format("a configuration must be a map, not {}", kind_of(root)));
      return false;
    }
    if (!is_this_version(root)) {
      return false;
    }
    read_section(root, "");
    return true;
  }

  /// Whether the file is of the version that the table of options describes. One that says nothing
  /// at all is read, to report its other mistakes together with that one.
  bool is_this_version(const YAML::Node& root) {
    for (const auto& entry : root) {
      const YAML::Node& key = entry.first;
      const YAML::Node& value = entry.second;
      if (!key.IsScalar() || key.Scalar() != "version" || !value.IsScalar()) {
        continue;
      }
      const std::string& text = value.Scalar();
      const bool is_number = !text.empty() && text.size() < 10 &&
                             text.find_first_not_of("0123456789") == std::string::npos;
      if (is_number && text != "1") {
        draft_.add_problem(place_of(value.Mark()),
                           fmt::format("version {} of the configuration is not known to this "
                                       "program, which reads version 1",
                                       text));
        return false;
      }
    }
    return true;
  }

  void read_section(const YAML::Node& map, std::string_view section) {
    std::map<std::string, YAML::Mark> seen;
    for (const auto& entry : map) {
      const YAML::Node& key = entry.first;
      const YAML::Node& value = entry.second;
      if (!key.IsScalar()) {
        draft_.add_problem(place_of(key.Mark()),
                           fmt::format("a key must be text, not {}", kind_of(key)));
        continue;
      }
      const auto [first, is_new] = seen.emplace(key.Scalar(), key.Mark());
      if (!is_new) {
        draft_.add_problem(
            place_of(key.Mark()),
            fmt::format("duplicate key {}; it stands in line {} already",
                        in_quotes(join(section, key.Scalar())), first->second.line + 1));
        continue;
      }
      read_entry(join(section, key.Scalar()), key, value);
    }
  }

  void read_entry(const std::string& path, const YAML::Node& key, const YAML::Node& value) {
    if (key.Scalar().find('.') != std::string::npos) {
      draft_.add_problem(place_of(key.Mark()), key_with_dot(path, key.Scalar()));
      return;
    }
    if (const Option* option = find_option(path)) {
      read_option(*option, key, value);
      return;
    }
    const Section* section = find_section(path);
    if (section == nullptr) {
      draft_.add_problem(place_of(key.Mark()), unknown_key(parent_of(path), key.Scalar()));
      return;
    }
    draft_.open_section(section->path, place_of(key.Mark()));
    if (value.IsNull()) {
      return;  // All that was in it is commented out.
    }
    if (!value.IsMap()) {
      draft_.add_problem(place_of(value.Mark()),
                         fmt::format("{} must be a map of options, not {}", path, kind_of(value)));
      mention_all(section->path, place_of(value.Mark()));
      return;
    }
    if (check_tag(path, value)) {
      read_section(value, section->path);
    }
  }

  void read_option(const Option& option, const YAML::Node& key, const YAML::Node& value) {
    if (option.kind == Kind::entries) {
      read_entries(option, key, value);
      return;
    }
    if (value.IsNull()) {
      // A null has no place of its own.
      refuse(option, key.Mark(),
             fmt::format("{} has no value; leave it out, or write one", option.path));
      return;
    }
    if (option.kind == Kind::texts && value.IsSequence()) {
      read_list(option, value);
      return;
    }
    if (!value.IsScalar()) {
      refuse(option, value.Mark(),
             fmt::format("{} must be {}, not {}", option.path, wanted(option), kind_of(value)));
      return;
    }
    if (!check_tag(option.path, value)) {
      draft_.mention(option, place_of(value.Mark()));
      return;
    }
    read_scalar(option, value);
  }

  void read_entries(const Option& list, const YAML::Node& key, const YAML::Node& value) {
    draft_.mention(list, place_of(key.Mark()));
    if (value.IsNull()) {
      return;  // All that was in it is commented out.
    }
    if (!value.IsSequence()) {
      refuse(list, value.Mark(),
             fmt::format("{} must be {}, not {}", list.path, wanted(list), kind_of(value)));
      return;
    }
    if (value.size() > kMaxEntries) {
      refuse(list, value.Mark(),
             fmt::format("{} has {} entries; {} are the most that there may be", list.path,
                         value.size(), kMaxEntries));
      return;
    }
    if (!check_tag(list.path, value)) {
      return;
    }
    std::size_t index = 0;
    for (const YAML::Node& entry : value) {
      read_map_of_list(list, index++, entry.IsNull() ? value : entry, entry);
    }
  }

  /// `marked` has the entry's place: a null has none of its own.
  void read_map_of_list(const Option& list, std::size_t index, const YAML::Node& marked,
                        const YAML::Node& entry) {
    const std::string path = entry_path(list, index);
    const Place place = place_of(marked.Mark());
    if (!entry.IsMap()) {
      draft_.add_problem(place,
                         fmt::format("{} must be a map of options, not {}", path, kind_of(entry)));
      return;
    }
    if (check_tag(path, entry)) {
      draft_.open_entry(list, index, place);
      read_section(entry, path);
    }
  }

  void read_list(const Option& option, const YAML::Node& list) {
    std::vector<WrittenItem> items;
    bool is_sound = check_tag(option.path, list);
    for (const YAML::Node& value : list) {
      if (auto item = read_item(option, value)) {
        items.push_back(std::move(*item));
      } else {
        is_sound = false;
      }
    }
    if (is_sound) {
      draft_.set(option, items, place_of(list.Mark()));
    } else {
      draft_.mention(option, place_of(list.Mark()));
    }
  }

  /// Nothing, with a problem, if it is none.
  std::optional<WrittenItem> read_item(const Option& option, const YAML::Node& value) {
    if (!value.IsScalar()) {
      refuse(option, value.Mark(),
             fmt::format("an entry of {} must be text, not {}", option.path, kind_of(value)));
      return std::nullopt;
    }
    if (!check_tag(option.path, value)) {
      return std::nullopt;
    }
    auto written = read_written(option, value);
    if (!written) {
      return std::nullopt;
    }
    return WrittenItem{std::move(*written), place_of(value.Mark())};
  }

  void read_scalar(const Option& option, const YAML::Node& value) {
    const auto written = read_written(option, value);
    if (!written) {
      return;
    }
    if (option.kind == Kind::texts && !written->has_variables) {
      refuse(option, value.Mark(),
             fmt::format("{} must be {}, not {}; write [{}]", option.path, wanted(option),
                         kind_of(value), in_quotes(written->shown)));
      return;
    }
    if (option.kind == Kind::secret && !option.may_be_literal && !written->has_variables &&
        !written->shown.empty()) {
      refuse(option, value.Mark(),
             fmt::format("{} must not be written out here; put it into {}", option.path,
                         secret_places(option)));
      return;
    }
    draft_.set(option, *written, place_of(value.Mark()));
  }

  /// The value with its variables put in; nothing, with a problem, if that fails.
  std::optional<Written> read_written(const Option& option, const YAML::Node& value) {
    const std::string& written = value.Scalar();
    Expanded expanded;
    try {
      expanded = expand(written, environment_);
    } catch (const Error& error) {
      refuse(option, value.Mark(), fmt::format("{}: {}", option.path, error.what()));
      return std::nullopt;
    }
    return Written{.text = std::move(expanded.text),
                   .shown = written,
                   .has_variables = expanded.has_variables,
                   .is_quoted = value.Tag() == kQuotedTag || value.Tag() == kStringTag};
  }

  /// False, with a problem, if the value has a tag that we would have to ignore.
  bool check_tag(std::string_view path, const YAML::Node& value) {
    const std::string& tag = value.Tag();
    if (std::find(kKnownTags.begin(), kKnownTags.end(), tag) != kKnownTags.end()) {
      return true;
    }
    draft_.add_problem(
        place_of(value.Mark()),
        fmt::format("{} has the tag {}, which means nothing here", path, in_quotes(tag)));
    return false;
  }

  void refuse(const Option& option, const YAML::Mark& mark, std::string message) {
    draft_.mention(option, place_of(mark));
    draft_.add_problem(place_of(mark), std::move(message));
  }

  void mention_all(std::string_view section, const Place& place) {
    for (const Option* option : options_in(section)) {
      draft_.mention(*option, place);
    }
    for (const Section* sub : sections_in(section)) {
      mention_all(sub->path, place);
    }
  }

  Place place_of(const YAML::Mark& mark) const {
    if (mark.is_null()) {
      return {name_};
    }
    return {name_, mark.line + 1, mark.column + 1};
  }

  const std::string& name_;
  const Environment& environment_;
  Draft& draft_;
};

}  // namespace

bool read_yaml(std::string_view yaml, const std::string& name, const Environment& environment,
               Draft& draft) {
  return YamlReader(name, environment, draft).read(yaml);
}

std::string unknown_key(std::string_view section, std::string_view key) {
  const std::string where = section.empty() ? "" : fmt::format(" in {}", section);
  std::string suggestion = did_you_mean(key, keys_of(section));
  if (suggestion.empty()) {
    const auto homes = homes_of(section, key);
    if (homes.size() == 1) {
      suggestion = homes.front().empty() ? "; it belongs at the top"
                                         : fmt::format("; it belongs in {}", homes.front());
    }
  }
  return fmt::format("unknown key {}{}{}", in_quotes(key), where, suggestion);
}

}  // namespace keyrewind::config
