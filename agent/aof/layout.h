#pragma once

#include <string>

/// The files of a multi-part AOF (Redis 7.0 and later, Valkey): a folder with a base, increments
/// and a manifest that names them (protocol.md 6.1).
namespace keyrewind::aof {

/// The names that a server's configuration gives them.
struct Names {
  std::string folder = "appendonlydir";  ///< `appenddirname`
  std::string stem = "appendonly.aof";   ///< `appendfilename`

  std::string base_file() const { return stem + ".1.base.rdb"; }
  std::string increment_file() const { return stem + ".1.incr.aof"; }
  std::string manifest_file() const { return stem + ".manifest"; }
};

/// The manifest of one base RDB and one (empty) increment. Names are quoted as the server
/// reads them (src/sds.c sdssplitargs); the last line ends with a newline, without which a
/// server refuses to start.
std::string manifest_of(const Names& names);

}  // namespace keyrewind::aof
