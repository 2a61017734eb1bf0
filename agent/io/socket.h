#pragma once

#include "base/bytes.h"
#include "io/fd.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>

namespace keyrewind::io {

/// A connected byte stream: TCP, Unix domain or TLS over TCP.
///
/// One thread uses it at a time, but for `wake`. Every wait ends when `stop` is requested, by
/// throwing Error(cancelled). All other failures are Error(Side::source, unavailable), except a TLS
/// peer that is refused or refuses us, and a Unix socket that this user may not use, which are
/// denied, and a peer that does not speak TLS as it should, which is protocol.
class Socket {
 public:
  virtual ~Socket() = default;

  /// Reads at least one byte, at most `into.size()`. Returns 0 when the peer has closed.
  /// Throws Error(unavailable) if nothing arrives within `timeout`.
  virtual std::size_t read_some(std::span<std::byte> into, std::chrono::milliseconds timeout,
                                std::stop_token stop) = 0;

  /// Reads what has already arrived, at most `into.size()` bytes. Returns nothing if there is
  /// nothing, and 0 when the peer has closed.
  virtual std::optional<std::size_t> read_arrived(std::span<std::byte> into) = 0;

  /// After `read_arrived` has found nothing: waits until it is worth another try. Returns false if
  /// that does not come within `timeout`, or early because of `wake`.
  virtual bool wait_for_more(std::chrono::milliseconds timeout, std::stop_token stop) = 0;

  /// Ends the present `wait_for_more`, or the next one. Any thread may call it.
  virtual void wake() noexcept = 0;

  /// Writes all of `bytes` within `timeout`.
  virtual void write_all(ByteView bytes, std::chrono::milliseconds timeout,
                         std::stop_token stop) = 0;

  /// Prepares for bulk data: a large receive buffer, and `read_some` wakes up only for pieces of
  /// some 256 KiB or after a few milliseconds. It costs latency and saves the CPU that a server on
  /// the same machine needs. TLS ignores the second part.
  virtual void prefer_throughput() = 0;
};

/// Where and how to verify a TLS peer, and who we are. Files are PEM; empty means none.
struct TlsOptions {
  std::string ca_file;      ///< Trust anchors; empty: the system's.
  std::string cert_file;    ///< Our certificate chain, if the server asks for one.
  std::string key_file;     ///< Its private key.
  std::string server_name;  ///< Name to verify and to send (SNI); empty: the host.
};

/// Connects to `host`:`port`, trying each address that the name resolves to. Looking the name up
/// takes as long as the system's resolver does; neither `timeout` nor `stop` can end that.
std::unique_ptr<Socket> connect_tcp(const std::string& host, std::uint16_t port,
                                    std::chrono::milliseconds timeout, std::stop_token stop);

/// Connects to the Unix socket at `path`. Throws Error(config) if that is too long for one.
std::unique_ptr<Socket> connect_unix(const std::string& path, std::chrono::milliseconds timeout,
                                     std::stop_token stop);

/// Connects like `connect_tcp`, then makes it TLS 1.2 or newer. The peer's chain and name are
/// always verified. Throws Error(config) if one of the files can't be used.
std::unique_ptr<Socket> connect_tls(const std::string& host, std::uint16_t port,
                                    const TlsOptions& options, std::chrono::milliseconds timeout,
                                    std::stop_token stop);

}  // namespace keyrewind::io
