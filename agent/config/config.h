#pragma once

#include "base/log.h"
#include "base/secret.h"

#include <cstdint>
#include <string>

namespace keyrewind::config {

/// Everything that can be configured, with its defaults. The table in config/options.cpp names each
/// field once; parser, environment, schema and `config show` are made from it.
struct Config {
  std::uint64_t version = 1;

  struct Source {
    std::string name;
    std::string address;
    std::string username;
    std::string password_file;
    Secret password;  ///< Only from the environment or `${VAR}`, never literally in a file.

    struct Tls {
      std::string ca_file;
      std::string cert_file;
      std::string key_file;
      std::string server_name;
    } tls;
  } source;

  struct Repository {
    std::string url;
  } repository;

  struct Compression {
    std::uint64_t level = 1;  ///< Zstandard's, 1 to 19.
  } compression;

  struct Logging {
    log::Level level = log::Level::info;
    log::Format format = log::Format::text;
  } logging;

  struct Limits {
    std::uint64_t memory = 128 << 20;  ///< Bytes, at least 64 MiB.
    std::uint64_t cpu_threads = 2;     ///< 1 to 64.
  } limits;
};

}  // namespace keyrewind::config
