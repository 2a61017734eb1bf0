#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>

namespace keyrewind::test {

struct RawReply {
  int status = 0;
  std::map<std::string, std::string> headers;  ///< Names in lower case.
  std::string body;
};

/// A connection to an HTTP server on which anything can be sent, right or wrong.
class RawHttp {
 public:
  /// Throw std::runtime_error if nobody listens.
  static RawHttp over_tcp(std::uint16_t port);
  static RawHttp over_unix(const std::filesystem::path& path);

  /// Sends all of it, or what the server takes. Returns how much that was.
  std::size_t send(const std::string& bytes);

  /// Waits, for up to a minute, for one whole reply; nothing if the connection ended without one.
  /// To a HEAD there is no body, whatever its length says.
  std::optional<RawReply> reply(bool to_head = false);

  /// Waits, for up to a minute, until the server has closed the connection.
  bool is_closed();

  RawHttp(RawHttp&& other) noexcept : socket_(std::exchange(other.socket_, -1)) {}
  RawHttp& operator=(RawHttp&&) = delete;
  ~RawHttp();

 private:
  explicit RawHttp(int socket) : socket_(socket) {}

  /// False at the end of the stream, or when the time is up.
  bool receive();

  int socket_;
  std::string received_;
};

}  // namespace keyrewind::test
