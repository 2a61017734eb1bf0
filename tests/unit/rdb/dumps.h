#pragma once

#include "base/bytes.h"
#include "base/error.h"
#include "rdb/scanner.h"
#include "support/paths.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace keyrewind::rdb::test {

/// One of the RDBs in tests/data/rdb.
inline std::string read_dump(const std::string& name) {
  const auto path = keyrewind::test::source_dir() / "tests/data/rdb" / name;
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    throw std::runtime_error("cannot read " + path.string());
  }
  std::ostringstream content;
  content << file.rdbuf();
  return std::move(content).str();
}

/// What came of a scan: what it learned, or the message of its Error(corrupt).
using Outcome = std::variant<Summary, std::string>;

/// Scans `dump` as a socket would deliver it: a first piece of `first` bytes, then pieces of
/// `piece` bytes.
inline Outcome scan_in_pieces(std::string_view dump, std::size_t first, std::size_t piece) {
  try {
    Scanner scanner;
    scanner.feed(as_bytes(dump.substr(0, first)));
    for (std::size_t at = std::min(first, dump.size()); at < dump.size(); at += piece) {
      scanner.feed(as_bytes(dump.substr(at, piece)));
    }
    return scanner.finish();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::corrupt) {
      throw;
    }
    return error.what();
  }
}

inline Outcome scan(std::string_view dump) {
  return scan_in_pieces(dump, dump.size(), std::max<std::size_t>(dump.size(), 1));
}

inline bool is_corrupt(const Outcome& outcome) {
  return std::holds_alternative<std::string>(outcome);
}

/// The summary of a dump that is sound; else the test fails with the message.
inline Summary summary_of(std::string_view dump) {
  Scanner scanner;
  scanner.feed(as_bytes(dump));
  return scanner.finish();
}

}  // namespace keyrewind::rdb::test
