#include "config/options.h"

#include "base/error.h"
#include "catalog/names.h"
#include "codec/age.h"
#include "config/policy_options.h"
#include "config/repository_options.h"
#include "config/service_options.h"
#include "config/source_options.h"
#include "replica/address.h"
#include "replica/nodes.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace keyrewind::config {
namespace {

constexpr std::uint64_t kKiB = 1 << 10;
constexpr std::uint64_t kMiB = 1 << 20;
constexpr std::uint64_t kGiB = 1 << 30;
constexpr std::uint64_t kHour = 3'600'000;  ///< In milliseconds.
/// Slower than that nothing ever ends, and stores give the connection up.
constexpr std::uint64_t kLeastRate = 16 * kKiB;

// In the order of replica::ReadFrom, log::Level and log::Format.
constexpr std::array<std::string_view, 4> kPolicies{"replica_preferred", "replica", "primary",
                                                    "this_node"};
constexpr std::array<std::string_view, 4> kLevels{"debug", "info", "warn", "error"};
constexpr std::array<std::string_view, 2> kFormats{"text", "json"};

std::vector<Section> make_sections() {
  return {
      {"source", "What is backed up."},
      {"source.tls",
       "For an address that begins with valkeys:// or rediss://. The server's certificate and name "
       "are always verified. Files are PEM."},
      {"source.sentinel",
       "For a source whose primary is looked after by Sentinel: its nodes are then found by asking "
       "that, too. User name, password and TLS files are those of the source."},
      {"repository", "Where backups are stored."},
      {"repository.s3", kS3Description},
      {"log",
       "The log: every write after a snapshot, stored as the server sends it, so that any moment "
       "can "
       "be restored."},
      {"log.spool",
       "Where the log waits for the repository. The server is read from whatever the repository "
       "does."},
      {"snapshots", "When and how snapshots are taken."},
      {"compression", "How snapshots are compressed: Zstandard frames, which `zstd -d` reads."},
      {"encryption",
       "Encryption before anything leaves this machine, in the age format: with the recipients' "
       "public keys backups are written, with the identity, their secret key, they are read."},
      {"retention",
       "Which backups are kept: those that any of these options wants. 0 wants none. What a kept "
       "backup or the recovery window needs of the log is kept with it; a locked backup, and the "
       "last good one, never go."},
      {"quotas", "Bounds on what Keyrewind asks of the source, the network and the repository."},
      {"drills", "Restores for practice."},
      {"compaction", "Snapshots that the server does not fork for."},
      {"lease",
       "Of several agents of one source one works and the others stand by: a lease in the "
       "repository "
       "says which."},
      {"http",
       "What the agent answers: /metrics, /-/healthy, /-/ready, /api/v1. Without token or users "
       "nobody may change anything by the port."},
      {"http.tls", "Encryption of the port."},
      {"http.auth", "Who may do what on the port. What changes things always needs credentials."},
      {"notify", "Whom the agent tells how it is."},
      {"logging", "Log lines on stderr; results of commands go to stdout."},
      {"limits", "What Keyrewind may take of the machine that it runs on."},
  };
}

void check_address(const std::string& text) {
  replica::parse_address(text);
}

void check_sentinel_address(const std::string& text) {
  parse_sentinel_address(text, replica::Address::Transport::tcp);
}

void check_recipient(const std::string& text) {
  codec::AgeRecipient recipient(text);
}

void check_folder(const std::string& text) {
  if (!text.starts_with('/')) {
    throw Error(ErrorKind::config, fmt::format("'{}' is not an absolute path", text));
  }
}

void check_folder_if_any(const std::string& text) {
  if (!text.empty()) {
    check_folder(text);
  }
}

std::vector<Option> source_options() {
  return {
      {.path = "version",
       .kind = Kind::integer,
       .field = +[](Config& c) -> std::uint64_t& { return c.version; },
       .description = "Version of this file's format. A file must say it.",
       .example = "1",
       .required = true,
       .min = 1,
       .max = 1},

      {.path = "source.name",
       .kind = Kind::text,
       .field = +[](Config& c) -> std::string& { return c.source.name; },
       .description =
           "Name of what is backed up, which becomes part of every name in the repository. Keep it "
           "for ever, and the same on every machine that backs up this source: under another name "
           "its backups are not found.",
       .example = "orders",
       .required = true,
       .pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$",
       .pattern_in_words =
           "1 to 63 letters, digits, '.', '_' or '-', beginning with a letter or digit",
       .is_valid = catalog::names::is_valid_source},
      {.path = "source.address",
       .kind = Kind::text,
       .field = +[](Config& c) -> std::string& { return c.source.address; },
       .description =
           "Where the server listens: valkey://HOST:PORT or redis://HOST:PORT, valkeys:// or "
           "rediss:// for TLS, or unix:///PATH for a Unix socket. The port is 6379 unless given. "
           "User name and password are options of their own.",
       .example = "valkey://127.0.0.1:6379",
       .required = true,
       .check = check_address},
      {.path = "source.username",
       .kind = Kind::text,
       .field = +[](Config& c) -> std::string& { return c.source.username; },
       .description = "ACL user to log in as. Empty: the server's default user.",
       .example = "backup"},
      {.path = "source.password_file",
       .kind = Kind::text,
       .field = +[](Config& c) -> std::string& { return c.source.password_file; },
       .description =
           "File that holds the user's password; a newline at its end does not count. It is read "
           "each time it is needed, so a changed password is picked up. Empty: no password.",
       .example = "/run/secrets/keyrewind/password"},
      {.path = "source.password",
       .kind = Kind::secret,
       .field = +[](Config& c) -> Secret& { return c.source.password; },
       .description =
           "The password itself, instead of password_file. It may come from the variable "
           "KEYREWIND_SOURCE__PASSWORD, or from another one that is named here as ${VARIABLE}; "
           "written out in this file it is refused.",
       .example = "${ORDERS_PASSWORD}"},
      {.path = "source.read_from",
       .kind = Kind::word,
       .field = WordField{[](Config& c) { return static_cast<std::size_t>(c.source.read_from); },
                          [](Config& c, std::size_t word) {
                            c.source.read_from = static_cast<replica::ReadFrom>(word);
                          }},
       .description =
           "From which node to read. replica_preferred: a healthy replica, the primary if there is "
           "none; replica: replicas only; primary: the primary, wherever it is; this_node: the one "
           "at the address, whatever it is, for an agent beside every node.",
       .example = "replica",
       .words = kPolicies},
      {.path = "source.data_dir",
       .kind = Kind::text,
       .field = +[](Config& c) -> std::string& { return c.source.data_dir; },
       .description =
           "The server's data directory, as an absolute path, if it is on this machine: what "
           "restores put in place goes there unless they name another. Empty: it is not.",
       .example = "/data",
       .check = check_folder_if_any},
      {.path = "source.memory_limit",
       .kind = Kind::size,
       .field = +[](Config& c) -> std::uint64_t& { return c.source.memory_limit; },
       .description =
           "How much memory each node may take, where that is less than its machine has: a server "
           "in a container does not know. snapshots.min_free_memory counts by it. 0: what the "
           "machine has.",
       .example = "4GiB",
       .zero_is_none = true,
       .min = kMiB},

      {.path = "source.tls.ca_file",
       .kind = Kind::text,
       .field = +[](Config& c) -> std::string& { return c.source.tls.ca_file; },
       .description =
           "Certificates of the authorities that may have signed the server's. Empty: those that "
           "the system trusts.",
       .example = "/tls/ca.crt"},
      {.path = "source.tls.cert_file",
       .kind = Kind::text,
       .field = +[](Config& c) -> std::string& { return c.source.tls.cert_file; },
       .description =
           "Our own certificate with its chain, if the server asks clients for one. It needs "
           "key_file.",
       .example = "/tls/client.crt"},
      {.path = "source.tls.key_file",
       .kind = Kind::text,
       .field = +[](Config& c) -> std::string& { return c.source.tls.key_file; },
       .description = "The private key of cert_file.",
       .example = "/tls/client.key"},
      {.path = "source.tls.server_name",
       .kind = Kind::text,
       .field = +[](Config& c) -> std::string& { return c.source.tls.server_name; },
       .description =
           "The name that the server's certificate must have, if it is not the host of the "
           "address.",
       .example = "orders.example.com"},

      {.path = "source.sentinel.master",
       .kind = Kind::text,
       .field = +[](Config& c) -> std::string& { return c.source.sentinel.master; },
       .description = "The name that Sentinel knows the primary by. It needs addresses.",
       .example = "mymaster"},
      {.path = "source.sentinel.addresses",
       .kind = Kind::texts,
       .field = +[](Config& c) -> std::vector<std::string>& { return c.source.sentinel.addresses; },
       .description =
           "Where Sentinels listen: HOST:PORT, encrypted if source.address is, or an address as "
           "source.address has it. The port is 26379 unless given. In a variable they are "
           "separated by commas.",
       .example = "sentinel-0:26379",
       .check = check_sentinel_address},

  };
}

std::vector<Option> log_options() {
  return {
      {.path = "log.enabled",
       .kind = Kind::boolean,
       .field = +[](Config& c) -> bool& { return c.log.enabled; },
       .description =
           "Whether the agent stores the log. Without it only the moments of snapshots can be "
           "restored.",
       .example = "false"},
      {.path = "log.segment_max_age",
       .kind = Kind::duration,
       .field = +[](Config& c) -> std::chrono::milliseconds& { return c.log.segment_max_age; },
       .description =
           "How long writes are gathered before they are stored: about what a disaster can cost. A "
           "duration is whole numbers with the units d, h, m, s and ms, such as 1h30m.",
       .example = "2s",
       .min = 100,
       .max = kHour},
      {.path = "log.segment_max_size",
       .kind = Kind::size,
       .field = +[](Config& c) -> std::uint64_t& { return c.log.segment_max_size; },
       .description = "How many bytes of writes are gathered at most before they are stored.",
       .example = "16MiB",
       .min = 64 * kKiB,
       .max = kGiB},

      {.path = "log.spool.dir",
       .kind = Kind::text,
       .field = +[](Config& c) -> std::string& { return c.log.spool.dir; },
       .description =
           "A folder of its own on a local disk, as an absolute path, which is made if it does not "
           "exist. It must outlive a restart of the agent: what is not yet in the repository is "
           "taken up from there.",
       .example = "/data/keyrewind/spool",
       .check = check_folder},
      {.path = "log.spool.max_size",
       .kind = Kind::size,
       .field = +[](Config& c) -> std::uint64_t& { return c.log.spool.max_size; },
       .description =
           "How large it may grow while the repository does not answer; at this bound the agent "
           "lets go of the server. At least twice log.segment_max_size.",
       .example = "8GiB",
       .min = kMiB},

  };
}

std::vector<Option> storage_options() {
  return {
      {.path = "compression.level",
       .kind = Kind::integer,
       .field = +[](Config& c) -> std::uint64_t& { return c.compression.level; },
       .description =
           "Zstandard's level: a higher one takes more processor time, and the backup is smaller.",
       .example = "3",
       .min = 1,
       .max = 19},

      {.path = "encryption.recipients",
       .kind = Kind::texts,
       .field = +[](Config& c) -> std::vector<std::string>& { return c.encryption.recipients; },
       .description =
           "Public keys, as age-keygen prints them. What is backed up is encrypted so that any one "
           "of their identities reads it, and nobody else: not even the agent. Empty: nothing is "
           "encrypted. In a variable they are separated by commas.",
       .example = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p",
       .check = check_recipient},
      {.path = "encryption.identity_file",
       .kind = Kind::text,
       .field = +[](Config& c) -> std::string& { return c.encryption.identity_file; },
       .description =
           "File of identities, as age-keygen writes it. Only where backups are read: an agent "
           "needs none, and is safer without.",
       .example = "/run/secrets/keyrewind/identity"},
      {.path = "encryption.allow_plaintext",
       .kind = Kind::boolean,
       .field = +[](Config& c) -> bool& { return c.encryption.allow_plaintext; },
       .description =
           "Whether a source that was encrypted before may be written without encryption. "
           "Otherwise that is refused: recipients that were lost must not go unseen.",
       .example = "true"},

  };
}

std::vector<Option> quota_options() {
  return {
      {.path = "quotas.manual_per_24h",
       .kind = Kind::integer,
       .field = +[](Config& c) -> std::uint64_t& { return c.quotas.manual_per_24h; },
       .description =
           "How many backups people may ask for in any 24 hours. What schedules and the log need "
           "does not count. 0: any number.",
       .example = "20",
       .max = 100'000},
      {.path = "quotas.full_sync_min_interval",
       .kind = Kind::duration,
       .field =
           +[](Config& c) -> std::chrono::milliseconds& { return c.quotas.full_sync_min_interval; },
       .description =
           "The least time between two full syncs that the agent itself begins: each makes the "
           "server fork and write a snapshot. 0s: no such floor.",
       .example = "1h",
       .max = 30 * 24 * kHour},
      {.path = "quotas.receive_rate",
       .kind = Kind::rate,
       .field = +[](Config& c) -> std::uint64_t& { return c.quotas.receive_rate; },
       .description =
           "How fast a snapshot is read from the source. The log is never held back. 0: as fast as "
           "it comes.",
       .example = "100MiB/s",
       .min = kLeastRate},
      {.path = "quotas.upload_rate",
       .kind = Kind::rate,
       .field = +[](Config& c) -> std::uint64_t& { return c.quotas.upload_rate; },
       .description =
           "How fast data goes to S3 stores, to all of them together. Below what the log needs, "
           "that falls behind for ever. 0: as fast as they take it.",
       .example = "50MiB/s",
       .min = kLeastRate},
      {.path = "quotas.max_stored",
       .kind = Kind::size,
       .field = +[](Config& c) -> std::uint64_t& { return c.quotas.max_stored; },
       .description =
           "How much this source may take in the repository. Close to it the agent warns, beyond "
           "it backups that people ask for are refused; the log and schedules never are. 0: any "
           "amount.",
       .example = "500GiB",
       .zero_is_none = true,
       .min = kMiB},
  };
}

std::vector<Option> lease_options() {
  return {
      {.path = "lease.enabled",
       .kind = Kind::boolean,
       .field = +[](Config& c) -> bool& { return c.lease.enabled; },
       .description =
           "Whether agents agree by a lease. false, for a store without conditional writes: then "
           "never run two agents of one source.",
       .example = "false"},
      {.path = "lease.ttl",
       .kind = Kind::duration,
       .field = +[](Config& c) -> std::chrono::milliseconds& { return c.lease.ttl; },
       .description =
           "How long after an agent is gone another one takes over at the latest. The lease is "
           "renewed several times in that time, each a request to the repository.",
       .example = "1m",
       .min = 1000,
       .max = kHour},
  };
}

std::vector<Option> process_options() {
  return {
      {.path = "logging.level",
       .kind = Kind::word,
       .field = WordField{
           [](Config& c) { return static_cast<std::size_t>(c.logging.level); },
           [](Config& c, std::size_t word) { c.logging.level = static_cast<log::Level>(word); }},
       .description = "The least important lines that are still printed.",
       .example = "warn",
       .words = kLevels},
      {.path = "logging.format",
       .kind = Kind::word,
       .field = WordField{
           [](Config& c) { return static_cast<std::size_t>(c.logging.format); },
           [](Config& c, std::size_t word) { c.logging.format = static_cast<log::Format>(word); }},
       .description = "text for people, json for log collectors: one object a line.",
       .example = "json",
       .words = kFormats},

      {.path = "limits.memory",
       .kind = Kind::size,
       .field = +[](Config& c) -> std::uint64_t& { return c.limits.memory; },
       .description =
           "Memory that a backup or restore may use, whatever the size of the dataset. A size is "
           "a number of bytes, or has KiB, MiB, GiB, TiB (powers of 1024) or kB, MB, GB, TB "
           "(powers of 1000) behind it.",
       .example = "256MiB",
       .min = 64 * kMiB},
      {.path = "limits.cpu_threads",
       .kind = Kind::integer,
       .field = +[](Config& c) -> std::uint64_t& { return c.limits.cpu_threads; },
       .description = "Threads that compress or decompress.",
       .example = "4",
       .min = 1,
       .max = 64},
  };
}

void append(std::vector<Option>& all, std::vector<Option> some) {
  std::move(some.begin(), some.end(), std::back_inserter(all));
}

std::vector<Option> make_options() {
  std::vector<Option> all = source_options();
  append(all, repository_options("repository",
                                 [](Config& c) -> Config::Repository& { return c.repository; }));
  all.push_back(copies_option());
  for (std::vector<Option>& some :
       std::array{log_options(), snapshot_options(), storage_options(), retention_options(),
                  quota_options(), upkeep_options(), lease_options(), http_options(),
                  notify_options(), process_options()}) {
    append(all, std::move(some));
  }
  return all;
}

std::vector<Option> make_entry_options() {
  std::vector<Option> all;
  const Option copies = copies_option();
  for (std::size_t index = 0; index < kMaxEntries; ++index) {
    append(all, repository_options(entry_path(copies, index), copy_at(index)));
    append(all, schedule_options(index));
    append(all, webhook_options(index));
  }
  return all;
}

std::vector<Section> make_entry_sections() {
  std::vector<Section> all;
  const Option copies = copies_option();
  for (std::size_t index = 0; index < kMaxEntries; ++index) {
    all.push_back({entry_path(copies, index), copies.description});
    all.push_back({entry_path(copies, index) + ".s3", kS3Description});
    all.push_back({fmt::format("snapshots.schedules.{}", index), kScheduleDescription});
    all.push_back({fmt::format("notify.webhooks.{}", index), kWebhookDescription});
  }
  return all;
}

template <typename Described>
const Described* find_in(std::string_view path, const std::vector<Described>& first,
                         const std::vector<Described>& second) {
  for (const std::vector<Described>* all : {&first, &second}) {
    for (const Described& one : *all) {
      if (one.path == path) {
        return &one;
      }
    }
  }
  return nullptr;
}

/// Those whose parent `section` is.
template <typename Described>
std::vector<const Described*> all_in(std::string_view section, const std::vector<Described>& first,
                                     const std::vector<Described>& second) {
  std::vector<const Described*> found;
  for (const std::vector<Described>* all : {&first, &second}) {
    for (const Described& one : *all) {
      if (parent_of(one.path) == section) {
        found.push_back(&one);
      }
    }
  }
  return found;
}

}  // namespace

const std::vector<Option>& options() {
  static const std::vector<Option> kOptions = make_options();
  return kOptions;
}

const std::vector<Option>& entry_options() {
  static const std::vector<Option> kOptions = make_entry_options();
  return kOptions;
}

const std::vector<Section>& sections() {
  static const std::vector<Section> kSections = make_sections();
  return kSections;
}

const std::vector<Section>& entry_sections() {
  static const std::vector<Section> kSections = make_entry_sections();
  return kSections;
}

const Option* find_option(std::string_view path) {
  return find_in(path, options(), entry_options());
}

const Section* find_section(std::string_view path) {
  return find_in(path, sections(), entry_sections());
}

std::vector<const Option*> options_in(std::string_view section) {
  return all_in(section, options(), entry_options());
}

std::vector<const Section*> sections_in(std::string_view section) {
  return all_in(section, sections(), entry_sections());
}

std::string entry_path(const Option& list, std::size_t index) {
  return fmt::format("{}.{}", list.path, index);
}

std::string_view parent_of(std::string_view path) {
  const auto dot = path.rfind('.');
  return dot == std::string_view::npos ? std::string_view() : path.substr(0, dot);
}

std::string_view leaf_of(std::string_view path) {
  const auto dot = path.rfind('.');
  return dot == std::string_view::npos ? path : path.substr(dot + 1);
}

std::string variable_of(std::string_view path) {
  std::string name = "KEYREWIND_";
  for (const char c : path) {
    if (c == '.') {
      name += "__";
    } else {
      // Paths are ASCII: the process's locale has no say in this.
      name += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    }
  }
  return name;
}

}  // namespace keyrewind::config
