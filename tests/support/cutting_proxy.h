#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>

namespace keyrewind::test {

/// Stands between an agent and a server on the loopback, and cuts log connections: number i after
/// `limit(i)` bytes of the stream that follows +CONTINUE. Other connections pass.
class CuttingProxy {
 public:
  /// A limit of 0 or less never cuts.
  using Limit = std::function<std::int64_t(std::uint64_t log_connection)>;

  CuttingProxy(std::uint16_t server_port, Limit limit);
  ~CuttingProxy();
  CuttingProxy(const CuttingProxy&) = delete;
  CuttingProxy& operator=(const CuttingProxy&) = delete;

  std::string url() const { return "valkey://127.0.0.1:" + std::to_string(port_); }

  /// Whether the first byte of each stream is turned into another, so that it is no stream.
  void corrupt(bool yes) noexcept { corrupts_ = yes; }

  /// How many log connections have been cut.
  std::uint64_t cuts() const noexcept { return cuts_; }

 private:
  void serve(const std::stop_token& stop);
  void pass(int client, const std::stop_token& stop);

  const std::uint16_t server_port_;
  const Limit limit_;
  std::uint16_t port_ = 0;
  int listening_ = -1;
  std::atomic<std::uint64_t> log_connections_{0};
  std::atomic<std::uint64_t> cuts_{0};
  std::atomic<bool> corrupts_{false};
  std::jthread thread_;
};

}  // namespace keyrewind::test
