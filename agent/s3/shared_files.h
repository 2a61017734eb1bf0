#pragma once

#include "base/secret.h"
#include "s3/secret_file.h"
#include "s3/variables.h"

#include <map>
#include <string>
#include <string_view>
#include <vector>

/// The files that AWS's tools share: ~/.aws/credentials and ~/.aws/config (AWS SDKs and Tools
/// Reference Guide, "Format of the shared config and credentials files").
namespace keyrewind::s3 {

/// The settings of one profile, by their names in lower case. Any may be a key, so all are secrets.
class Profile {
 public:
  /// Its value, or an empty text; valid as long as the profile.
  std::string_view get(std::string_view name) const;
  bool has(std::string_view name) const { return !get(name).empty(); }
  void set(std::string name, Secret value) { settings_[std::move(name)] = std::move(value); }

  bool empty() const noexcept { return settings_.empty(); }

  /// Takes over the settings of `other`; they win.
  void merge(const Profile& other);

 private:
  std::map<std::string, Secret, std::less<>> settings_;
};

using Profiles = std::map<std::string, Profile, std::less<>>;

enum class SharedFileKind {
  credentials,  ///< Every section is a profile.
  config,       ///< Those called "default" and "profile <name>" are; others are left out.
};

/// The profiles of one file, whose `name` is for errors. What is indented more than the setting
/// before it belongs to that one and is left out (`s3 =` has such). Throws Error(config) that names
/// the line and never its text.
Profiles parse_shared_file(std::string_view text, SharedFileKind kind, const std::string& name);

/// Both files; what the credentials file says wins.
struct SharedFiles {
  Profiles profiles{};
  std::string credentials_path;
  std::string config_path;
  std::vector<FileStamp> stamps{};

  /// For people: "~/.aws/credentials or ~/.aws/config", as they are here.
  std::string paths() const { return credentials_path + " or " + config_path; }
};

/// Reads AWS_SHARED_CREDENTIALS_FILE and AWS_CONFIG_FILE, or what is under HOME. Throws
/// Error(config) if one that a variable names is not there, and if any can't be read.
SharedFiles read_shared_files(const Variables& variables);

}  // namespace keyrewind::s3
