#pragma once

#include "base/log.h"
#include "base/secret.h"
#include "policy/schedule.h"
#include "policy/sync_guard.h"
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
    std::string data_dir{};  ///< Absolute, or empty: the server's folder is not ours to see.
    std::uint64_t memory_limit = 0;  ///< Bytes that a node may take; 0: what the machine has.
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

  /// When snapshots are taken, beside those that the log needs to begin with.
  struct Schedule {
    std::string name = {};
    std::string cron = {};                 ///< As policy::Cron reads it.
    std::string time_zone = {};            ///< As policy::Zone reads it; empty: that of all.
    std::vector<std::string> labels = {};  ///< Of its backups: "KEY=VALUE".
  };

  struct Snapshots {
    std::vector<Schedule> schedules;
    std::string time_zone = "UTC";
    std::chrono::milliseconds jitter = std::chrono::minutes(5);  ///< 0 to 24 h.
    policy::CatchUp catch_up = policy::CatchUp::once;
    policy::Method method = policy::Method::automatic;
    std::uint64_t min_free_memory = 20;  ///< Percent of the node's memory, 0 to 100.
  } snapshots;

  struct Compression {
    std::uint64_t level = 1;  ///< Zstandard's, 1 to 19.
  } compression;

  struct Encryption {
    std::vector<std::string> recipients;  ///< As codec::AgeRecipient reads them.
    std::string identity_file;
    bool allow_plaintext = false;
  } encryption;

  /// A backup is kept if any of these wants it. 0 wants none.
  struct Retention {
    std::uint64_t keep_last = 7;
    std::uint64_t keep_hourly = 0;
    std::uint64_t keep_daily = 7;
    std::uint64_t keep_weekly = 4;
    std::uint64_t keep_monthly = 12;
    std::uint64_t keep_yearly = 0;
    std::chrono::milliseconds keep_within = std::chrono::days(2);
    std::chrono::milliseconds recovery_window = std::chrono::days(7);
    std::vector<std::string> keep_labels;  ///< "NAME" or "NAME=VALUE".
    std::uint64_t min_backups = 1;         ///< At least 1.
    bool enabled = true;  ///< False: nothing is ever removed, no permission needed.
  } retention;

  struct Quotas {
    std::uint64_t manual_per_24h = 0;  ///< Backups that people ask for; 0: no limit.
    std::chrono::milliseconds full_sync_min_interval = std::chrono::minutes(10);
    std::uint64_t receive_rate = 0;  ///< Bytes a second; 0: no limit.
    std::uint64_t upload_rate = 0;   ///< Bytes a second, to all repositories together; 0: no limit.
    std::uint64_t max_stored = 0;    ///< Bytes of this source in the repository; 0: no limit.
  } quotas;

  struct Drills {
    std::string schedule;  ///< As policy::Cron reads it; empty: none.
    std::string server = "valkey-server";
  } drills;

  struct Compaction {
    std::string schedule;  ///< Always empty in this version.
    std::string server = "valkey-server";
  } compaction;

  struct Lease {
    bool enabled = true;
    std::chrono::milliseconds ttl = std::chrono::seconds(30);  ///< 1 s to 1 h.
  } lease;

  /// What the agent answers to.
  struct Http {
    std::string listen =
        "0.0.0.0:8379";  ///< As http::parse_listen_address reads it; empty: no port.
    std::string socket = "/run/keyrewind/keyrewind.sock";  ///< Absolute; empty: no Unix socket.

    struct Tls {
      std::string cert_file;
      std::string key_file;
    } tls;

    /// What is allowed to whoever shows no credentials.
    enum class Anonymous { read, none };
    struct Auth {
      std::string bearer_token_file;
      std::string basic_users_file;
      Anonymous anonymous = Anonymous::read;
    } auth;
  } http;

  /// Whom to tell what happened.
  struct Webhook {
    enum class Format { json, slack };

    Secret url{};                      ///< Exactly one of the two is given.
    std::string url_file = {};         ///< Read each time it is used.
    std::vector<std::string> on = {};  ///< Words of kWebhookEvents; empty: all.
    Format format = Format::json;
  };

  struct Notify {
    Secret heartbeat_url;  ///< At most one of the two; neither: no heartbeat.
    std::string heartbeat_url_file;
    std::vector<Webhook> webhooks;
  } notify;

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
