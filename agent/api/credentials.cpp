#include "api/credentials.h"

#include "api/base64.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/log.h"
#include "base/random.h"
#include "codec/hmac_sha256.h"
#include "io/file.h"

#include <crypt.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <memory>
#include <utility>

namespace keyrewind::api {
namespace {

constexpr std::uint64_t kMaxFile = 1U << 20U;
constexpr std::size_t kShortestToken = 16;
constexpr std::size_t kMostKnownGood = 64;
/// Of a password that nobody has, at htpasswd's usual cost.
constexpr const char* kDummyHash = "$2y$10$abcdefghijklmnopqrstuuAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
constexpr std::size_t kHashLength = 60;

std::string read_text(const std::filesystem::path& path) {
  try {
    const Bytes bytes = io::read_file(path, kMaxFile, Side::here);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  } catch (const Error& error) {
    throw Error(ErrorKind::config, fmt::format("http.auth: {}", error.what()));
  }
}

bool is_space(char letter) {
  return std::isspace(static_cast<unsigned char>(letter)) != 0;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_space(text.front())) {
    text.remove_prefix(1);
  }
  while (!text.empty() && is_space(text.back())) {
    text.remove_suffix(1);
  }
  return text;
}

bool is_bcrypt(std::string_view hash) {
  return hash.size() == kHashLength &&
         (hash.starts_with("$2y$") || hash.starts_with("$2b$") || hash.starts_with("$2a$"));
}

std::map<std::string, std::string> parse_users(const std::filesystem::path& path) {
  std::map<std::string, std::string> users;
  std::size_t number = 0;
  const std::string text = read_text(path);
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = trimmed(std::string_view(text).substr(begin, end - begin));
    begin = end + 1;
    ++number;
    if (line.empty() || line.front() == '#') {
      continue;
    }
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || colon == 0 || !is_bcrypt(line.substr(colon + 1))) {
      throw Error(ErrorKind::config,
                  fmt::format("http.auth: {}, line {} is no user with a bcrypt hash; make it with "
                              "'htpasswd -nB NAME'",
                              path.string(), number));
    }
    users[std::string(line.substr(0, colon))] = line.substr(colon + 1);
  }
  return users;
}

/// Takes the same time wherever they differ.
bool are_same(std::string_view left, std::string_view right) {
  unsigned int difference = left.size() == right.size() ? 0 : 1;
  for (std::size_t i = 0; i < left.size() && i < right.size(); ++i) {
    difference |= static_cast<unsigned int>(static_cast<unsigned char>(left[i]) ^
                                            static_cast<unsigned char>(right[i]));
  }
  return difference == 0;
}

bool has_hash(const std::string& password, const std::string& hash) {
  const auto data = std::make_unique<crypt_data>();
  const char* made = ::crypt_r(password.c_str(), hash.c_str(), data.get());
  return made != nullptr && are_same(made, hash);
}

/// The rest of `value` behind a scheme in any case; nothing if it is another one.
std::optional<std::string_view> behind_scheme(std::string_view value, std::string_view scheme) {
  if (value.size() <= scheme.size() || value[scheme.size()] != ' ') {
    return std::nullopt;
  }
  for (std::size_t i = 0; i < scheme.size(); ++i) {
    if (std::tolower(static_cast<unsigned char>(value[i])) != scheme[i]) {
      return std::nullopt;
    }
  }
  return trimmed(value.substr(scheme.size() + 1));
}

}  // namespace

bool Credentials::Watched::has_changed() {
  struct stat info {};
  std::string now = "-";
  if (::stat(path.c_str(), &info) == 0) {
    now = fmt::format("{}.{}.{}.{}", info.st_ino, info.st_size, info.st_mtim.tv_sec,
                      info.st_mtim.tv_nsec);
  }
  return std::exchange(version, now) != now;
}

Credentials::Credentials(CredentialFiles files)
    : key_(random_hex(32)),
      token_file_{std::move(files.bearer_token)},
      users_file_{std::move(files.basic_users)},
      dummy_hash_(kDummyHash) {
  const std::lock_guard lock(mutex_);
  refresh();
}

bool Credentials::are_configured() const noexcept {
  return !token_file_.path.empty() || !users_file_.path.empty();
}

void Credentials::refresh() {
  if (!token_file_.path.empty() && token_file_.has_changed()) {
    token_.reset();
    const std::string text = read_text(token_file_.path);
    const std::string_view token = trimmed(text);
    if (token.size() < kShortestToken) {
      throw Error(ErrorKind::config, fmt::format("http.auth: the token in {} has fewer than {} "
                                                 "characters; make one with 'openssl rand -hex 32'",
                                                 token_file_.path.string(), kShortestToken));
    }
    token_ = digest(token);
  }
  if (!users_file_.path.empty() && users_file_.has_changed()) {
    users_.clear();
    known_good_.clear();
    users_ = parse_users(users_file_.path);
    // As costly as the users' own: the time of an answer does not tell who is there.
    std::string cost;
    for (const auto& [name, hash] : users_) {
      cost = std::max(cost, hash.substr(4, 2));
    }
    dummy_hash_ = kDummyHash;
    if (!cost.empty()) {
      dummy_hash_.replace(4, 2, cost);
    }
  }
}

bool Credentials::allow(std::string_view value) {
  {
    const std::lock_guard lock(mutex_);
    try {
      refresh();
    } catch (const Error& error) {
      log::error("credentials not reloaded; nobody is let in by them", {{"error", error.what()}});
    }
  }
  if (const auto token = behind_scheme(value, "bearer")) {
    return allow_token(*token);
  }
  if (const auto encoded = behind_scheme(value, "basic")) {
    return allow_user(*encoded);
  }
  return false;
}

bool Credentials::allow_token(std::string_view token) {
  const std::string given = digest(token);
  const std::lock_guard lock(mutex_);
  return token_ && are_same(given, *token_);
}

bool Credentials::allow_user(std::string_view encoded) {
  const std::string pair = from_base64(encoded).value_or("");
  const std::size_t colon = pair.find(':');
  const bool is_pair = colon != std::string::npos && pair.find('\0') == std::string::npos;
  const std::string name = is_pair ? pair.substr(0, colon) : "";
  const std::string password = is_pair ? pair.substr(colon + 1) : "";
  const std::string given = digest(pair);
  std::string hash;
  bool is_known = false;
  {
    const std::lock_guard lock(mutex_);
    if (users_file_.path.empty()) {
      return false;
    }
    if (known_good_.contains(given)) {
      return true;
    }
    const auto found = users_.find(name);
    is_known = found != users_.end();
    hash = is_known ? found->second : dummy_hash_;
  }
  if (!has_hash(password, hash) || !is_known) {
    return false;
  }
  const std::lock_guard lock(mutex_);
  if (const auto found = users_.find(name); found == users_.end() || found->second != hash) {
    return false;  // Taken away meanwhile.
  }
  if (known_good_.size() >= kMostKnownGood) {
    known_good_.clear();
  }
  known_good_.insert(given);
  return true;
}

std::string Credentials::digest(std::string_view secret) const {
  const auto code = codec::hmac_sha256(as_bytes(key_.reveal()), as_bytes(secret));
  return {reinterpret_cast<const char*>(code.data()), code.size()};
}

}  // namespace keyrewind::api
