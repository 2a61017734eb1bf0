#pragma once

#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace keyrewind::test {

/// One RESP2 reply, as the server sent it.
struct Reply {
  char type = 0;  ///< '+', '-', ':', '$' or '*'.
  bool nil = false;
  std::string text;  ///< Of everything but an array.
  std::vector<Reply> elements;

  bool is_error() const { return type == '-'; }
};

/// Appends a command to `out` as the protocol wants it. Arguments may hold any bytes.
void append_command(std::string& out, const std::vector<std::string>& arguments);
void append_command(std::string& out, std::initializer_list<std::string_view> arguments);

/// A plain client for tests: blocking, binary safe, without retry. Every call throws
/// std::runtime_error if the connection fails or nothing comes for a minute.
class RespClient {
 public:
  static RespClient connect_unix(const std::filesystem::path& socket);
  static RespClient connect_tcp(std::uint16_t port);
  ~RespClient();
  RespClient(RespClient&& other) noexcept;
  RespClient& operator=(RespClient&&) = delete;

  Reply call(const std::vector<std::string>& arguments);

  /// For pipelines: send many commands, then read as many replies.
  void send(std::string_view bytes) const;
  Reply read();

 private:
  explicit RespClient(int fd) : fd_(fd) {}
  std::string_view read_line();
  std::string read_exactly(std::size_t count);
  void fill();

  int fd_;
  std::string buffer_;
  std::size_t taken_ = 0;  ///< How much of the buffer has been read.
};

}  // namespace keyrewind::test
