#pragma once

#include "base/secret.h"

#include <cstdint>
#include <string>
#include <vector>

namespace keyrewind::s3 {

/// What tells that a file was written again or replaced, as Kubernetes replaces the links to a
/// secret's files.
struct FileStamp {
  std::string path;
  bool exists = false;
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::uint64_t size = 0;
  std::int64_t seconds = 0;  ///< Of the last change.
  std::int64_t nanoseconds = 0;

  bool operator==(const FileStamp&) const = default;

  /// Of the file as it is now; one that can't be looked at does not exist.
  static FileStamp of(const std::string& path);
};

/// Whether any of the files is another one now.
bool any_changed(const std::vector<FileStamp>& stamps);

/// The whole file. Throws Error(config) that begins with `what` and names the file, if it can't be
/// read or is larger than `max_bytes`.
Secret read_secret_file(const std::string& what, const std::string& path, std::uint64_t max_bytes);

/// The one word that a file of a key or a token holds, trimmed. Throws the same, also if it is
/// empty or something else.
Secret read_word_file(const std::string& what, const std::string& path);

}  // namespace keyrewind::s3
