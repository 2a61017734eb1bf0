#include "support/agent_run.h"

#include "support/paths.h"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <stdexcept>
#include <thread>
#include <utility>

namespace keyrewind::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

std::string yaml_of(const AgentSetup& setup, const std::filesystem::path& spool,
                    const std::filesystem::path& socket) {
  return fmt::format(
      "log:\n"
      "  enabled: {}\n"
      "  segment_max_age: {}\n"
      "  segment_max_size: {}\n"
      "  spool:\n"
      "    dir: {}\n"
      "    max_size: {}\n"
      "quotas:\n"
      "  full_sync_min_interval: {}\n"
      "http:\n"
      "  listen: '{}'\n"
      "  socket: {}\n"
      "{}\n",
      setup.log, setup.segment_max_age, setup.segment_max_size, spool.string(),
      setup.spool_max_size, setup.full_sync_min_interval, setup.listen, socket.string(),
      setup.more);
}

}  // namespace

void wait_until(const std::string& what, const std::function<bool()>& holds, milliseconds limit) {
  const auto deadline = steady_clock::now() + limit;
  while (!holds()) {
    if (steady_clock::now() >= deadline) {
      throw std::runtime_error("waited in vain for: " + what);
    }
    std::this_thread::sleep_for(milliseconds(20));
  }
}

AgentRun::AgentRun(const std::string& address, AgentSetup setup, RepositoryKind kind)
    : user_(address, "", kind) {
  configure(address, setup);
}

void AgentRun::configure(const std::string& address, const AgentSetup& setup) {
  user_.configure(fmt::format(
      "version: 1\n"
      "source:\n"
      "  name: orders\n"
      "  address: {}\n"
      "  read_from: {}\n"
      "{}{}",
      address, setup.read_from, user_.store().yaml(), yaml_of(setup, spool(), socket())));
}

void AgentRun::start(const std::vector<std::pair<std::string, std::string>>& env) {
  process_.reset();
  process_.emplace(
      ProcessOptions{.command = {program_path(), "agent", "-v", "-c", user_.config_file().string(),
                                 "--metrics-file", (user_.folder() / "metrics.prom").string()},
                     .env = env,
                     .err_file = user_.folder() / "agent.log"});
}

ExitResult AgentRun::stop() {
  process_->signal(SIGTERM);
  return process_->wait();
}

void AgentRun::kill() {
  process_->signal(SIGKILL);
  process_->wait();
}

std::string AgentRun::log() const {
  return read_text(user_.folder() / "agent.log");
}

std::int64_t AgentRun::durable() const {
  // "…/log/<begin>-<end>-<time>-….aof.zst" and "…/snapshots/<offset>-<id>.rdb.zst", either with
  // ".age" behind it, as FORMAT.md says.
  constexpr std::size_t kDigits = 20;
  bool committed = false;
  std::int64_t snapshot = -1;
  std::pair<std::string, std::int64_t> newest{"", -1};
  for (const std::string& file : user_.files()) {
    const std::string name = file.substr(file.rfind('/') + 1);
    committed =
        committed || (file.find("/commits/") != std::string::npos && file.ends_with(".json"));
    if (file.find("/snapshots/") != std::string::npos) {
      snapshot = std::stoll(name.substr(0, kDigits));
    } else if (file.find("/log/") != std::string::npos &&
               (name.ends_with(".aof.zst") || name.ends_with(".aof.zst.age"))) {
      newest = std::max(newest, {name.substr(2 * kDigits + 2, 16),
                                 std::stoll(name.substr(kDigits + 1, kDigits))});
    }
  }
  if (!committed) {
    return -1;
  }
  return newest.first.empty() ? snapshot : newest.second;
}

void AgentRun::wait_for(std::int64_t offset) const {
  try {
    wait_until(
        fmt::format("offset {} in the repository", offset), [&] { return durable() >= offset; },
        std::chrono::minutes(2));
  } catch (const std::runtime_error& error) {
    throw std::runtime_error(
        fmt::format("{}; it has {}; the agent said:\n{}", error.what(), durable(), log()));
  }
}

RedisServer AgentRun::restored(const std::string& at, const std::string& program,
                               const std::vector<std::string>& more) const {
  static int count = 0;
  const auto target = user_.folder() / fmt::format("restored-{}", ++count);
  user_.json({"restore", "--target", target.string(), "--layout", "aof", "--at", at});
  std::vector<std::string> args{"--appendonly", "yes", "--aof-load-truncated", "no"};
  args.insert(args.end(), more.begin(), more.end());
  return RedisServer({.program = program, .args = std::move(args), .tcp = true, .dir = target});
}

std::optional<double> AgentRun::metric(const std::string& name) const {
  const auto path = user_.folder() / "metrics.prom";
  if (!std::filesystem::exists(path)) {
    return std::nullopt;
  }
  const std::string text = "\n" + read_text(path);
  const auto found = text.find("\n" + name + " ");
  if (found == std::string::npos) {
    return std::nullopt;
  }
  return std::stod(text.substr(found + name.size() + 2));
}

std::int64_t offset_of(RedisServer& server) {
  return std::stoll(server.info("master_repl_offset"));
}

std::int64_t acknowledged(RedisServer& server) {
  const std::string name = "offset=";
  const std::string line = server.info("slave0");
  const auto found = line.find(name);
  return found == std::string::npos ? -1 : std::stoll(line.substr(found + name.size()));
}

ServerOptions quick_server(const std::string& program, std::vector<std::string> more) {
  std::vector<std::string> args{"--repl-diskless-sync-delay", "0", "--repl-ping-replica-period",
                                "1"};
  args.insert(args.end(), more.begin(), more.end());
  return {.program = program, .args = std::move(args), .tcp = true};
}

ServerOptions replica_of(const RedisServer& primary, const std::string& program,
                         std::vector<std::string> more) {
  ServerOptions options = quick_server(program, std::move(more));
  options.args.insert(options.args.end(),
                      {"--replicaof", "127.0.0.1 " + std::to_string(primary.port())});
  return options;
}

void wait_for_link(RedisServer& replica) {
  wait_until("the replica's link", [&] { return replica.info("master_link_status") == "up"; });
}

}  // namespace keyrewind::test
