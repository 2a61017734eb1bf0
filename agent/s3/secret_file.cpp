#include "s3/secret_file.h"

#include "base/bytes.h"
#include "base/error.h"
#include "io/file.h"
#include "s3/variables.h"

#include <fmt/format.h>
#include <string.h>
#include <sys/stat.h>

#include <algorithm>

namespace keyrewind::s3 {
namespace {

constexpr std::uint64_t kMaxWordBytes = 64U << 10;

}  // namespace

FileStamp FileStamp::of(const std::string& path) {
  FileStamp stamp{.path = path};
  struct stat status = {};
  if (::stat(path.c_str(), &status) != 0) {
    return stamp;
  }
  stamp.exists = true;
  stamp.device = status.st_dev;
  stamp.inode = status.st_ino;
  stamp.size = static_cast<std::uint64_t>(status.st_size);
  stamp.seconds = status.st_mtim.tv_sec;
  stamp.nanoseconds = status.st_mtim.tv_nsec;
  return stamp;
}

bool any_changed(const std::vector<FileStamp>& stamps) {
  return std::any_of(stamps.begin(), stamps.end(),
                     [](const FileStamp& stamp) { return FileStamp::of(stamp.path) != stamp; });
}

Secret read_secret_file(const std::string& what, const std::string& path, std::uint64_t max_bytes) {
  try {
    Bytes bytes = io::read_file(path, max_bytes, Side::here);
    Secret content{std::string(as_text(bytes))};
    explicit_bzero(bytes.data(), bytes.size());
    return content;
  } catch (const Error& error) {
    throw Error(ErrorKind::config, fmt::format("{}: {}", what, error.what()));
  }
}

Secret read_word_file(const std::string& what, const std::string& path) {
  const Secret content = read_secret_file(what, path, kMaxWordBytes);
  Secret word{std::string(trimmed(content.reveal()))};
  if (word.empty()) {
    throw Error(ErrorKind::config,
                fmt::format("{}: {} is empty; write the key or token into it", what, path));
  }
  if (!is_one_word(word.reveal())) {
    throw Error(ErrorKind::config, fmt::format("{}: {} holds more than one word; write the key or "
                                               "token into it and nothing else",
                                               what, path));
  }
  return word;
}

}  // namespace keyrewind::s3
