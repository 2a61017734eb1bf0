#include "config/storage_options.h"

#include "base/error.h"
#include "config/secret_file.h"
#include "config/suggest.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <optional>
#include <utility>

namespace keyrewind::config {
namespace {

constexpr std::size_t kCustomerKeyBytes = 32;
constexpr const char* kIdentityFile = "encryption.identity_file";

std::optional<std::string> variable_of_process(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

/// "repository", or "copies.0".
std::string path_of(const Config& config, std::string_view name) {
  for (std::size_t index = 0; index < config.copies.size(); ++index) {
    if (config.copies[index].name == name) {
      return fmt::format("copies.{}", index);
    }
  }
  return "repository";
}

std::map<std::string, std::string> to_tags(const std::vector<std::string>& texts) {
  std::map<std::string, std::string> tags;
  for (const std::string& text : texts) {
    const std::size_t equals = text.find('=');
    tags.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return tags;
}

int base64_digit(char c) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const auto digit = kDigits.find(c);
  return digit == std::string_view::npos ? -1 : static_cast<int>(digit);
}

/// The 32 bytes that 44 characters of Base64 stand for; empty if these are none.
std::string from_base64(std::string_view text) {
  constexpr std::size_t kChars = 44;
  std::string bytes;
  if (text.size() != kChars || !text.ends_with('=')) {
    return bytes;
  }
  unsigned bits = 0;
  int count = 0;
  for (const char c : text.substr(0, kChars - 1)) {
    const int digit = base64_digit(c);
    if (digit < 0) {
      return {};
    }
    bits = (bits << 6U | static_cast<unsigned>(digit)) & 0xffffU;
    count += 6;
    if (count >= 8) {
      count -= 8;
      bytes += static_cast<char>(bits >> static_cast<unsigned>(count) & 0xffU);
    }
  }
  return bytes;
}

Secret load_customer_key(const std::string& path, const std::string& file) {
  const std::string option = path + ".s3.customer_key_file";
  Secret whole = read_secret_file(option, file);
  if (whole.reveal().size() == kCustomerKeyBytes) {
    return whole;
  }
  const Secret line = read_secret_line(option, file);
  Secret key(from_base64(line.reveal()));
  if (key.reveal().size() != kCustomerKeyBytes) {
    throw Error(ErrorKind::config,
                fmt::format("{}: {} holds no key of 32 bytes; make one with: openssl rand -out "
                            "FILE 32",
                            option, file));
  }
  return key;
}

s3::S3Options to_s3_options(const Config& config, const Config::Repository& repository,
                            const std::string& path) {
  const auto& from = repository.s3;
  s3::S3Options options;
  options.endpoint = from.endpoint;
  options.region = from.region;
  options.path_style = from.path_style;
  options.ca_file = from.ca_file;
  options.credentials = {.access_key_id = from.access_key_id,
                         .secret_access_key = from.secret_access_key,
                         .secret_access_key_file = from.secret_access_key_file,
                         .session_token = from.session_token,
                         .profile = from.profile,
                         .region = from.region,
                         .environment = variable_of_process};
  options.server_side_encryption = from.server_side_encryption;
  options.kms_key_id = from.kms_key_id;
  if (!from.customer_key_file.empty()) {
    options.customer_key = load_customer_key(path, from.customer_key_file);
  }
  options.storage_class = from.storage_class;
  options.tags = to_tags(from.tags);
  options.object_lock_mode = from.object_lock_mode;
  options.object_lock_duration = std::chrono::ceil<std::chrono::seconds>(from.object_lock_duration);
  options.connections = repository.connections;
  options.retry_time = repository.retry_time;
  options.locks = config.lease.enabled;
  options.lock_ttl = config.lease.ttl;
  return options;
}

std::vector<codec::AgeIdentity> read_identities(const std::string& file) {
  const Secret text = read_secret_file(kIdentityFile, file);
  try {
    return codec::parse_age_identities(text.reveal());
  } catch (Error& error) {
    error.add_context(fmt::format("{}: {}", kIdentityFile, file));
    throw;
  }
}

std::vector<codec::AgeIdentity> load_identities(const Config& config, Identities wanted) {
  const std::string& file = config.encryption.identity_file;
  if (file.empty() || wanted == Identities::none) {
    return {};
  }
  try {
    return read_identities(file);
  } catch (const Error&) {
    if (wanted == Identities::required) {
      throw;
    }
    return {};
  }
}

}  // namespace

std::vector<std::string> repository_names(const Config& config) {
  std::vector<std::string> names{Config::kPrimary};
  for (const Config::Repository& copy : config.copies) {
    names.push_back(copy.name);
  }
  return names;
}

const Config::Repository& find_repository(const Config& config, std::string_view name) {
  if (name == Config::kPrimary) {
    return config.repository;
  }
  const auto found =
      std::find_if(config.copies.begin(), config.copies.end(),
                   [&](const Config::Repository& copy) { return copy.name == name; });
  if (found == config.copies.end()) {
    throw Error(ErrorKind::config,
                fmt::format("there is no repository {}; there are: {}", in_quotes(name),
                            fmt::join(repository_names(config), ", ")));
  }
  return *found;
}

storage::StorageOptions to_storage_options(const Config& config, std::string_view name,
                                           Identities identities) {
  const Config::Repository& repository = find_repository(config, name);
  storage::StorageOptions options;
  options.url = repository.url;
  options.s3 = to_s3_options(config, repository, path_of(config, name));
  for (const std::string& recipient : config.encryption.recipients) {
    options.recipients.emplace_back(recipient);
  }
  options.identities = load_identities(config, identities);
  return options;
}

}  // namespace keyrewind::config
