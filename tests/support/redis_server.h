#pragma once

#include "support/process.h"
#include "support/resp_client.h"
#include "support/temp_dir.h"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace keyrewind::test {

/// The servers that the tests know, oldest first: a name is "<program>-<version>". For
/// INSTANTIATE_TEST_SUITE_P, whether they are on this machine or not.
std::vector<std::string> all_servers();

/// Those of them that are on this machine.
std::vector<std::string> available_servers();

/// Where `name` is, or nothing. Looks into the folder that tests/support/fetch-servers.sh fills;
/// Redis 7.0 may also be the system's own. Works for the tools as well: "redis-check-rdb-7.0".
std::optional<std::filesystem::path> find_server(const std::string& name);

/// Call it in SetUp or first in a test body: skips the test if the server is not on this machine,
/// or fails it when KEYREWIND_REQUIRE_SERVERS=1. In a body or in a SetUp that goes on, follow with
/// `if (testing::Test::IsSkipped() || testing::Test::HasFatalFailure()) return;`.
void require_server(const std::string& name);

/// "redis-server-7.0" as a part of a test's name, "redis_server_7_0".
std::string to_test_name(const std::string& server);

/// A TCP port of the loopback that was free a moment ago.
std::uint16_t free_port();

/// How a server is started. What `args` say comes last and so wins.
struct ServerOptions {
  std::string program = "redis-server-7.0";  ///< A name from all_servers(), or a path.
  std::vector<std::string> args = {};
  bool tcp = false;                               ///< Also listens on a free port of the loopback.
  std::string password = {};                      ///< Wanted by the server and given by `cli`.
  std::optional<std::filesystem::path> dir = {};  ///< Data folder; a fresh one if nothing.
  bool wait = true;  ///< Until it answers. If false, call wait_until_ready() before `cli`.
};

/// A real server on a Unix socket, without persistence unless the test asks for it, stopped at the
/// end. Socket and log are in a folder of their own, so that nothing but data is in `dir()`.
/// Functions throw std::runtime_error, with the server's log where that helps.
class RedisServer {
 public:
  explicit RedisServer(ServerOptions options = {});

  const std::filesystem::path& dir() const noexcept { return dir_; }
  std::filesystem::path socket_path() const { return run_ / "s"; }
  std::uint16_t port() const noexcept { return port_; }  ///< 0 without `tcp`.
  pid_t pid() const noexcept { return process_->pid(); }

  /// "valkey://127.0.0.1:PORT" with `tcp`, else "unix:///path".
  std::string url() const;

  /// Runs a command and gives its reply as redis-cli prints it raw: integers in digits, nothing
  /// for nil, array elements on lines of their own. Throws if the reply is an error.
  std::string cli(const std::vector<std::string>& command);

  /// The reply itself, errors included, over the connection that `cli` uses: SELECT stays.
  Reply call(const std::vector<std::string>& command);

  /// A further connection to the same server.
  RespClient connect() const;

  /// Of all databases: keys, values, TTLs. Not the groups of streams, nor functions.
  std::string digest() { return cli({"DEBUG", "DIGEST"}); }

  /// The source of every function library, sorted: the order of FUNCTION LIST is not fixed, and
  /// the digest does not cover them.
  std::vector<std::string> functions();

  /// Keys of all databases together.
  std::uint64_t dbsize();

  /// The value of `field` in INFO, such as "redis_version"; empty if it is not there.
  std::string info(const std::string& field);

  /// SAVE, once no child of the server writes a snapshot any more: after a backup or a PSYNC one
  /// may still be ending, and SAVE would fail.
  void save();

  /// SIGTERM, and waits for the end.
  void stop();
  /// SIGKILL, and waits for the end.
  void kill();

  /// Waits until PING is answered; throws after 20 s or if the server has ended.
  void wait_until_ready();

  std::string log() const;

 private:
  void start();
  bool answers();

  ServerOptions options_;
  TempDir run_;
  std::filesystem::path dir_;
  std::uint16_t port_ = 0;
  std::optional<Process> process_;
  std::optional<RespClient> client_;
};

}  // namespace keyrewind::test
