#pragma once

#include "base/log.h"
#include "base/secret.h"
#include "replica/nodes.h"

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

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
    replica::ReadFrom read_from = replica::ReadFrom::replica_preferred;

    struct Tls {
      std::string ca_file;
      std::string cert_file;
      std::string key_file;
      std::string server_name;
    } tls;

    struct Sentinel {
      std::string master;
      std::vector<std::string> addresses;  ///< As `parse_sentinel_address` reads them.
    } sentinel{};
  } source;

  struct Repository {
    std::string url;
  } repository;

  struct Log {
    bool enabled = true;
    std::chrono::milliseconds segment_max_age = std::chrono::seconds(10);  ///< 100 ms to 1 h.
    std::uint64_t segment_max_size = 64 << 20;  ///< Bytes, 64 KiB to 1 GiB.

    struct Spool {
      std::string dir = "/var/lib/keyrewind/spool";  ///< Absolute.
      /// Bytes, at least 1 MiB and twice `segment_max_size`.
      std::uint64_t max_size = std::uint64_t{2} << 30;
    } spool;
  } log;

  struct Compression {
    std::uint64_t level = 1;  ///< Zstandard's, 1 to 19.
  } compression;

  struct Quotas {
    std::chrono::milliseconds full_sync_min_interval = std::chrono::minutes(10);
  } quotas;

  struct Logging {
    keyrewind::log::Level level = keyrewind::log::Level::info;
    keyrewind::log::Format format = keyrewind::log::Format::text;
  } logging;

  struct Limits {
    std::uint64_t memory = 128 << 20;  ///< Bytes, at least 64 MiB.
    std::uint64_t cpu_threads = 2;     ///< 1 to 64.
  } limits;
};

}  // namespace keyrewind::config
