#pragma once

#include "base/bytes.h"
#include "base/clock.h"

#include <string>
#include <string_view>

namespace keyrewind::io {

/// Makes a tar archive (POSIX.1-1988 ustar) of small files, in memory:
///
///   each file   a header of 512 bytes, the content, zeros up to a multiple of 512
///   the end     1024 zeros
class TarWriter {
 public:
  /// `modified` is the time that every file has.
  explicit TarWriter(Timestamp modified) : modified_(modified) {}

  /// Adds a file with mode 0600. Throws Error(config) if the name is longer than 100 bytes.
  void add(const std::string& name, std::string_view content);

  /// All of it; nothing can be added any more.
  std::string finish();

 private:
  Timestamp modified_;
  std::string archive_;
};

}  // namespace keyrewind::io
