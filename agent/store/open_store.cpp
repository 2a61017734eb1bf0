#include "store/open_store.h"

#include "base/error.h"
#include "store/file_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <string_view>

namespace keyrewind::store {
namespace {

constexpr std::string_view kFileScheme = "file://";
constexpr std::string_view kExample = "file:///var/lib/keyrewind/repository";

Error not_accepted(const std::string& url, std::string_view why) {
  return {ErrorKind::config,
          fmt::format("repository.url '{}' {}; write it like {}", url, why, kExample)};
}

bool is_control(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

/// The folder that the URL names, as it stands there: no percent sign is decoded, no ".." resolved.
std::filesystem::path folder_of(const std::string& url) {
  std::string path = url.substr(kFileScheme.size());
  if (path.empty() || path.front() != '/') {
    throw not_accepted(url, "has no absolute path after file://");
  }
  if (std::any_of(path.begin(), path.end(), is_control)) {
    throw not_accepted(url, "holds a control character");
  }
  while (path.size() > 1 && path.back() == '/') {
    path.pop_back();
  }
  if (path == "/") {
    throw not_accepted(url, "names the root of the file system");
  }
  return path;
}

}  // namespace

std::unique_ptr<ObjectStore> open_store(const std::string& url) {
  if (url.empty()) {
    throw not_accepted(url, "is empty");
  }
  if (!url.starts_with(kFileScheme)) {
    throw not_accepted(url, "is of a kind that this Keyrewind doesn't know: only file:// is");
  }
  return std::make_unique<FileStore>(folder_of(url));
}

}  // namespace keyrewind::store
