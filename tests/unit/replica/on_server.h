#pragma once

#include "replica/connection.h"
#include "replica/replication_info.h"
#include "replica/snapshot_stream.h"
#include "support/fake_server.h"
#include "support/redis_server.h"
#include "support/tls_files.h"

#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

/// What tests of this room with real servers share.
namespace keyrewind::replica {

using test::RedisServer;

inline constexpr int kKeys = 5000;

/// Waits until `holds()`; a test failure that names `what` if it does not within 20 s.
template <typename Condition>
void wait_until(std::string_view what, Condition holds) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!holds()) {
    if (std::chrono::steady_clock::now() > deadline) {
      FAIL() << "not within 20 s: " << what;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

inline std::string read_all(SnapshotStream& stream) {
  std::string all;
  Bytes into(64 << 10);
  while (const std::size_t got = stream.read(into)) {
    all += as_text(ByteView(into).first(got));
  }
  return all;
}

inline ReplicationInfo info_of(const SourceOptions& options) {
  Connection connection(options, {});
  return ask_replication_info(connection);
}

inline std::string forks(RedisServer& server) {
  return server.info("total_forks");
}

/// The same tests on each server that there is.
class OnServer : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { test::require_server(GetParam()); }

  RedisServer start(std::vector<std::string> args = {}, bool tcp = false,
                    std::string password = {}) const {
    return RedisServer({.program = GetParam(),
                        .args = std::move(args),
                        .tcp = tcp,
                        .password = std::move(password)});
  }

  static void fill(RedisServer& server) {
    server.cli({"EVAL", "for i = 1, ARGV[1] do redis.call('SET', 'key:' .. i, 'value ' .. i) end",
                "0", std::to_string(kKeys)});
    server.cli({"HSET", "hash", "field", "value"});
  }

  static SourceOptions options_for(const RedisServer& server) {
    SourceOptions options;
    options.address = parse_address(server.url());
    return options;
  }

  static SourceOptions as_user(const RedisServer& server, const std::string& name,
                               const std::string& password) {
    SourceOptions options = options_for(server);
    options.username = name;
    options.password = Secret(password);
    return options;
  }

  /// Gives the server data, and a backlog: a snapshot has been taken.
  static void give_history(RedisServer& server) {
    fill(server);
    SnapshotStream stream(options_for(server), {});
    read_all(stream);
  }

  /// A replica of `primary`, whose link is yet to come up.
  RedisServer start_replica(const RedisServer& primary) const {
    return start({"--replicaof", "127.0.0.1 " + std::to_string(primary.port())}, true);
  }

  static void wait_for_link(RedisServer& replica) {
    wait_until("the replica's link", [&] { return replica.info("master_link_status") == "up"; });
  }

  static std::int64_t offset_of(RedisServer& server) {
    return std::stoll(server.info("master_repl_offset"));
  }

  /// Waits until `replica` has all that `primary` has.
  static void wait_for_same_offset(RedisServer& primary, RedisServer& replica) {
    wait_until("the same offset", [&] { return offset_of(primary) == offset_of(replica); });
  }

  /// The process that writes the snapshot, as the server's log names it.
  static pid_t child_of(const RedisServer& server) {
    constexpr std::string_view kMark = "started by pid ";
    const std::string log = server.log();
    const std::size_t at = log.find(kMark);
    if (at == std::string::npos) {
      throw std::runtime_error("no child in the log: " + log);
    }
    return std::stoi(log.substr(at + kMark.size()));
  }

  /// Starts a second server on `rdb` and compares what both hold.
  void expect_same_data(RedisServer& source, const std::string& rdb) const {
    const test::TempDir folder;
    std::ofstream(folder / "dump.rdb", std::ios::binary) << rdb;
    RedisServer copy({.program = GetParam(), .dir = folder.path()});
    EXPECT_EQ(copy.digest(), source.digest());
    EXPECT_EQ(copy.dbsize(), source.dbsize());
  }
};

/// A server that also listens with TLS and wants to see a client's certificate.
class OnTlsServer : public OnServer {
 protected:
  static void SetUpTestSuite() { files_ = std::make_unique<test::TlsFiles>(); }
  static void TearDownTestSuite() { files_.reset(); }

  static const test::TlsFiles& files() { return *files_; }

  /// Returns where it listens. The port is asked for until one is free.
  static SourceOptions listen_with_tls(RedisServer& server) {
    std::string answer;
    for (int attempt = 0; attempt < 10; ++attempt) {
      const std::uint16_t port = test::FakeServer({}, test::FakeServer::Transport::tcp).port();
      answer = server
                   .call({"CONFIG", "SET", "tls-cert-file", files().server_cert(), "tls-key-file",
                          files().server_key(), "tls-ca-cert-file", files().ca_cert(), "tls-port",
                          std::to_string(port)})
                   .text;
      if (answer == "OK") {
        SourceOptions options;
        options.address = {Address::Transport::tls, "127.0.0.1", port, ""};
        options.tls.ca_file = files().ca_cert();
        options.tls.cert_file = files().client_cert();
        options.tls.key_file = files().client_key();
        return options;
      }
    }
    throw std::runtime_error("no TLS port: " + answer);
  }

 private:
  inline static std::unique_ptr<test::TlsFiles> files_;
};

}  // namespace keyrewind::replica
