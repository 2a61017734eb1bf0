#pragma once

#include "support/process.h"
#include "support/redis_server.h"
#include "support/resp_client.h"
#include "support/temp_dir.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace keyrewind::test {

/// A real Sentinel that watches one primary on the loopback, quick to notice and to fail over, with
/// a quorum of its own. It looks for replicas at its start and then every ten seconds only.
/// Functions throw std::runtime_error, with its log where that helps.
class Sentinel {
 public:
  /// Runs `program`, a name from all_servers(), and knows the primary as `name`.
  Sentinel(const std::string& program, const std::string& name, std::uint16_t primary_port);

  std::uint16_t port() const noexcept { return port_; }
  std::string url() const { return "valkey://127.0.0.1:" + std::to_string(port_); }

  Reply call(const std::vector<std::string>& command);

  /// "ip:port" of every replica that it lists.
  std::vector<std::string> replicas();

  /// The port of the primary that it names.
  std::uint16_t primary_port();

 private:
  void start(const std::string& program, std::uint16_t primary_port);
  bool answers();

  std::string name_;
  TempDir folder_;
  std::uint16_t port_ = 0;
  std::optional<Process> process_;
};

}  // namespace keyrewind::test
