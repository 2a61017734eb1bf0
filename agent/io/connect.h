#pragma once

#include "base/error.h"
#include "io/fd.h"
#include "io/waiter.h"

#include <cstdint>
#include <stop_token>
#include <string>

/// How the kinds of sockets get their connected descriptors; for this room only.
namespace keyrewind::io {

/// "orders:6379", or "[::1]:6379".
std::string host_and_port(const std::string& host, std::uint16_t port);

/// A connected, non-blocking TCP socket. Each address that `host` has is tried in turn and gets an
/// equal share of the time that is left.
Fd open_tcp(const std::string& host, std::uint16_t port, Deadline deadline, Waiter& waiter,
            const std::stop_token& stop);

/// "<doing> <peer>: <what the kernel said>", of kind unavailable.
Error socket_error(const std::string& doing, const std::string& peer, int number);

/// "orders:6379 sent nothing for 60 s".
Error silence_error(const std::string& peer, std::chrono::milliseconds timeout);

/// "orders:6379 took nothing for 60 s".
Error stuck_error(const std::string& peer, std::chrono::milliseconds timeout);

}  // namespace keyrewind::io
