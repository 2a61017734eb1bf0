#pragma once

#include "io/fd.h"

#include <cstdint>
#include <filesystem>
#include <string>

/// Sockets that connections come in on.
namespace keyrewind::http {

/// "host:port", "[::1]:port" or ":port" as it is configured.
struct ListenAddress {
  std::string host;        ///< Empty: all interfaces.
  std::uint16_t port = 0;  ///< 0: the kernel chooses.
};

/// Throws Error(config) if `text` is anything else.
ListenAddress parse_listen_address(const std::string& text);

/// A listening TCP socket, non-blocking. Throws Error(failed | config) naming the address if it is
/// taken or isn't one of this machine.
io::Fd listen_on(const ListenAddress& address);

/// The port that a listening TCP socket got.
std::uint16_t port_of(const io::Fd& listener);

/// A listening unix socket of mode 0660 that removes its file when it goes.
///
/// A file that nobody answers behind is replaced. Throws Error(busy) if somebody does,
/// Error(config) if something else stands there or the path is too long, Error(failed | denied) if
/// the folder is missing or not writable.
class UnixListener {
 public:
  explicit UnixListener(std::filesystem::path path);
  ~UnixListener();
  UnixListener(const UnixListener&) = delete;
  UnixListener& operator=(const UnixListener&) = delete;

  const io::Fd& fd() const noexcept { return fd_; }

 private:
  const std::filesystem::path path_;
  io::Fd fd_;
  std::uint64_t inode_ = 0;  ///< Of our file: another one's is never removed.
};

}  // namespace keyrewind::http
