#pragma once

#include "support/keyrewind.h"
#include "support/process.h"
#include "support/redis_server.h"

#include <nlohmann/json.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace keyrewind::test {

/// Waits for `holds`, asking again and again; throws std::runtime_error that says what was waited
/// for after `limit`.
void wait_until(const std::string& what, const std::function<bool()>& holds,
                std::chrono::milliseconds limit = std::chrono::seconds(60));

/// How an agent under test is configured, beside its source and repository.
struct AgentSetup {
  bool log = true;
  std::string segment_max_age = "200ms";
  std::string segment_max_size = "64MiB";
  std::string spool_max_size = "2GiB";
  std::string full_sync_min_interval = "0s";
  std::string read_from = "replica_preferred";
  std::string listen = "";  ///< http.listen; the socket is `socket()`.
  std::string more = {};    ///< Further YAML, at the top level.
};

/// `keyrewind agent` as a user runs it, started and ended any number of times on one repository and
/// one spool.
class AgentRun {
 public:
  explicit AgentRun(const std::string& address, AgentSetup setup = {},
                    RepositoryKind kind = repository_kind());

  const Keyrewind& user() const noexcept { return user_; }

  /// What is changed of it holds from the next `configure` on.
  TestRepository& store() noexcept { return user_.store(); }
  std::filesystem::path spool() const { return user_.folder() / "spool"; }
  std::filesystem::path socket() const { return user_.folder() / "agent.sock"; }

  /// Another configuration for the next start or reload.
  void configure(const std::string& address, const AgentSetup& setup);

  /// With `env` added to its environment.
  void start(const std::vector<std::pair<std::string, std::string>>& env = {});
  /// SIGTERM, and waits; gives how it ended.
  ExitResult stop();
  void kill();
  bool running() { return process_ && process_->running(); }
  Process& process() { return *process_; }

  /// Everything that all agents so far have logged.
  std::string log() const;

  nlohmann::json timeline() const { return user_.json({"timeline"}); }

  /// The offset up to which the repository has the newest history, a snapshot included; -1 if there
  /// is no backup yet. Read from the names of its files.
  std::int64_t durable() const;

  /// Waits until the repository has all up to `offset`.
  void wait_for(std::int64_t offset) const;

  /// Restores to `at` into a fresh folder and starts `program` on it, with `more` arguments.
  RedisServer restored(const std::string& at, const std::string& program,
                       const std::vector<std::string>& more = {}) const;

  /// The metric `name` (with labels, as it stands in the file) as of the last writing.
  std::optional<double> metric(const std::string& name) const;

 private:
  Keyrewind user_;
  std::optional<Process> process_;
};

/// How far the history of `server` has come, and how far its only replica has acknowledged it (-1
/// without one).
std::int64_t offset_of(RedisServer& server);
std::int64_t acknowledged(RedisServer& server);

/// A server that an agent can follow without waiting: it takes snapshots at once.
ServerOptions quick_server(const std::string& program, std::vector<std::string> more = {});

/// A replica of `primary`, once it is in step.
ServerOptions replica_of(const RedisServer& primary, const std::string& program,
                         std::vector<std::string> more = {});
void wait_for_link(RedisServer& replica);

}  // namespace keyrewind::test
