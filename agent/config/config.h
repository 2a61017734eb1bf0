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

  /// A place where backups are kept: the repository itself or one of its copies.
  struct Repository {
    std::string name = {};  ///< "primary", or a copy's.
    std::string url = {};
    std::uint64_t connections = 4;  ///< 1 to 64.
    std::chrono::milliseconds retry_time = std::chrono::seconds(60);

    /// For a URL of s3:// only.
    struct S3 {
      std::string endpoint = {};
      std::string region = {};
      bool path_style = false;
      std::string access_key_id = {};
      Secret secret_access_key = {};
      std::string secret_access_key_file = {};
      Secret session_token = {};
      std::string profile = {};
      std::string server_side_encryption = {};  ///< "", "AES256", "aws:kms" or "SSE-C".
      std::string kms_key_id = {};
      std::string customer_key_file = {};
      std::string storage_class = {};
      std::vector<std::string> tags = {};  ///< "KEY=VALUE".
      std::string object_lock_mode = {};   ///< "", "GOVERNANCE" or "COMPLIANCE".
      std::chrono::milliseconds object_lock_duration{};
      std::string ca_file = {};
    } s3{};
  };
  Repository repository{.name = kPrimary};
  std::vector<Repository> copies;

  /// What `repository` is called where repositories are told apart.
  static constexpr const char* kPrimary = "primary";

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

  struct Encryption {
    std::vector<std::string> recipients;  ///< As codec::AgeRecipient reads them.
    std::string identity_file;
    bool allow_plaintext = false;
  } encryption;

  struct Quotas {
    std::chrono::milliseconds full_sync_min_interval = std::chrono::minutes(10);
    std::uint64_t receive_rate = 0;  ///< Bytes a second; 0: no limit.
    std::uint64_t upload_rate = 0;   ///< Bytes a second, to all repositories together; 0: no limit.
  } quotas;

  struct Lease {
    bool enabled = true;
    std::chrono::milliseconds ttl = std::chrono::seconds(30);  ///< 1 s to 1 h.
  } lease;

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
