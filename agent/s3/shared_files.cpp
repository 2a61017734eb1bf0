#include "s3/shared_files.h"

#include "base/error.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace keyrewind::s3 {
namespace {

constexpr std::uint64_t kMaxFileBytes = 1U << 20;

std::size_t indent_of(std::string_view line) {
  return std::min(line.find_first_not_of(" \t"), line.size());
}

/// What stands before a comment: one begins with '#' or ';' after a blank.
std::string_view without_comment(std::string_view text) {
  for (std::size_t at = 1; at < text.size(); ++at) {
    const bool begins = text[at] == '#' || text[at] == ';';
    if (begins && (text[at - 1] == ' ' || text[at - 1] == '\t')) {
      return text.substr(0, at);
    }
  }
  return text;
}

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return result;
}

std::string_view unquoted(std::string_view name) {
  const bool quoted = name.size() >= 2 && name.front() == name.back() &&
                      (name.front() == '"' || name.front() == '\'');
  return quoted ? name.substr(1, name.size() - 2) : name;
}

/// Reads a file line by line into profiles.
class Parser {
 public:
  Parser(SharedFileKind kind, const std::string& name) : kind_(kind), name_(name) {}

  Profiles parse(std::string_view text) {
    if (text.starts_with("\xef\xbb\xbf")) {  // The mark that some editors of Windows write.
      text.remove_prefix(3);
    }
    while (!text.empty()) {
      const std::string_view line = text.substr(0, text.find('\n'));
      text.remove_prefix(std::min(line.size() + 1, text.size()));
      ++number_;
      read_line(line);
    }
    merge_explicit_default();
    return std::move(profiles_);
  }

 private:
  void read_line(std::string_view line) {
    const std::string_view content = trimmed(line);
    if (content.empty() || content.front() == '#' || content.front() == ';') {
      return;
    }
    if (setting_indent_ && indent_of(line) > *setting_indent_) {
      return;  // Belongs to the setting before it.
    }
    if (content.front() == '[') {
      read_section(content);
    } else {
      read_setting(content, indent_of(line));
    }
  }

  void read_section(std::string_view content) {
    const std::size_t end = content.find(']');
    if (end == std::string_view::npos) {
      fail("a section without its ']'");
    }
    setting_indent_.reset();
    in_section_ = true;
    profile_ = profile_of(trimmed(content.substr(1, end - 1)));
  }

  /// The profile that a section is of; none if it is of something else.
  Profile* profile_of(std::string_view section) {
    if (kind_ == SharedFileKind::credentials || section == "default") {
      return &profiles_[std::string(unquoted(section))];
    }
    constexpr std::string_view kPrefix = "profile";
    const bool is_profile = section.starts_with(kPrefix) && section.size() > kPrefix.size() &&
                            indent_of(section.substr(kPrefix.size())) != 0;
    if (!is_profile) {
      return nullptr;
    }
    const std::string_view name = unquoted(trimmed(section.substr(kPrefix.size())));
    return name == "default" ? &explicit_default_ : &profiles_[std::string(name)];
  }

  void read_setting(std::string_view content, std::size_t indent) {
    const std::size_t equals = content.find('=');
    if (equals == std::string_view::npos) {
      fail("neither a section nor a setting \"name = value\"");
    }
    const std::string_view name = trimmed(content.substr(0, equals));
    if (name.empty()) {
      fail("a setting without a name");
    }
    if (!in_section_) {
      fail("a setting before the first section");
    }
    setting_indent_ = indent;
    if (profile_ != nullptr) {
      // From the '=' on, so that a comment is one even where the value is empty.
      const std::string_view value = without_comment(content.substr(equals)).substr(1);
      profile_->set(lower(name), Secret(std::string(trimmed(value))));
    }
  }

  /// "[profile default]" wins over "[default]".
  void merge_explicit_default() {
    if (!explicit_default_.empty()) {
      profiles_["default"].merge(explicit_default_);
    }
  }

  [[noreturn]] void fail(std::string_view what) const {
    throw Error(
        ErrorKind::config,
        fmt::format("{}: line {} is {}; AWS's tools can't read it either", name_, number_, what));
  }

  const SharedFileKind kind_;
  const std::string& name_;
  Profiles profiles_;
  Profile explicit_default_;
  Profile* profile_ = nullptr;  ///< Of the section that is being read, if it is one's.
  bool in_section_ = false;
  std::optional<std::size_t> setting_indent_;
  std::size_t number_ = 0;
};

std::string path_of(const Variables& variables, const std::string& variable,
                    const std::string& usual) {
  const std::string named = variables.expand_home(variables.get(variable));
  return named.empty() ? variables.expand_home(usual) : named;
}

void read_one(const Variables& variables, const std::string& variable, const std::string& path,
              SharedFileKind kind, SharedFiles& files) {
  files.stamps.push_back(FileStamp::of(path));
  if (!files.stamps.back().exists && !variables.has(variable)) {
    return;
  }
  const std::string what = variables.has(variable) ? variable : "shared files";
  const Secret text = read_secret_file(what, path, kMaxFileBytes);
  for (const auto& [name, profile] : parse_shared_file(text.reveal(), kind, path)) {
    files.profiles[name].merge(profile);
  }
}

}  // namespace

std::string_view Profile::get(std::string_view name) const {
  const auto found = settings_.find(name);
  return found == settings_.end() ? std::string_view() : found->second.reveal();
}

void Profile::merge(const Profile& other) {
  for (const auto& [name, value] : other.settings_) {
    settings_[name] = value;
  }
}

Profiles parse_shared_file(std::string_view text, SharedFileKind kind, const std::string& name) {
  return Parser(kind, name).parse(text);
}

SharedFiles read_shared_files(const Variables& variables) {
  constexpr const char* kCredentials = "AWS_SHARED_CREDENTIALS_FILE";
  constexpr const char* kConfig = "AWS_CONFIG_FILE";
  SharedFiles files;
  files.credentials_path = path_of(variables, kCredentials, "~/.aws/credentials");
  files.config_path = path_of(variables, kConfig, "~/.aws/config");
  read_one(variables, kConfig, files.config_path, SharedFileKind::config, files);
  read_one(variables, kCredentials, files.credentials_path, SharedFileKind::credentials, files);
  return files;
}

}  // namespace keyrewind::s3
