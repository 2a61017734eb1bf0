#pragma once

#include "base/bytes.h"
#include "base/error.h"
#include "base/secret.h"
#include "io/socket.h"
#include "rdb/compatibility.h"
#include "replica/address.h"
#include "resp/reply.h"
#include "resp/reply_reader.h"

#include <chrono>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

namespace keyrewind::replica {

/// How to reach a node and who we are there.
struct SourceOptions {
  Address address;
  std::string username;  ///< Empty: the default user.
  Secret password;       ///< Empty: no authentication.
  io::TlsOptions tls;
  std::chrono::milliseconds connect_timeout{5000};
  /// How long a server may send nothing at all. It sends a newline each second while it prepares.
  std::chrono::milliseconds silence_timeout{60000};
};

/// What a server says of itself in its answer to HELLO, which no ACL can forbid.
struct Greeting {
  rdb::ServerVersion server;
  std::string version_text;                    ///< "7.0.15", as the server spells it.
  std::string role;                            ///< "master" or "replica".
  std::string mode;                            ///< "standalone", "cluster" or "sentinel".
  std::map<std::string, std::string> modules;  ///< Name → version.
};

/// One authenticated connection that takes commands and gives replies.
///
/// Every failure is Error(Side::source, …) that names the address: unavailable (refused, timeout,
/// closed, -LOADING, -MASTERDOWN, -NOMASTERLINK, -BUSY), denied (-NOAUTH, -WRONGPASS, -NOPERM,
/// TLS), protocol (does not speak Redis). `server_error` words them.
class Connection {
 public:
  /// Connects, authenticates and greets with HELLO 2.
  Connection(const SourceOptions& options, std::stop_token stop);

  const Greeting& greeting() const noexcept { return greeting_; }
  const SourceOptions& options() const noexcept { return options_; }

  /// Sends a command and waits for its reply, which may be an error reply.
  resp::Reply call(std::initializer_list<std::string_view> words);

  /// Like `call`, but an error reply is thrown as `server_error`.
  resp::Reply call_or_throw(std::initializer_list<std::string_view> words);

 private:
  friend class SnapshotStream;
  friend class LogStream;

  void greet();
  void look_behind_compatibility();
  void send(ByteView bytes, std::chrono::milliseconds timeout);
  resp::Reply read_reply(std::string_view doing, std::chrono::milliseconds timeout);
  Error does_not_speak_redis() const;

  const SourceOptions options_;
  const std::stop_token stop_;
  std::unique_ptr<io::Socket> socket_;
  resp::ReplyReader reader_;
  std::string first_bytes_;  ///< The beginning of what the peer sent, to show if it is no server.
  Greeting greeting_;
};

/// Throws Error(config) if the peer is a Sentinel, which holds no data.
void refuse_sentinel(const Connection& connection);

/// An error reply as one clear line with a kind: what failed at which address, and what to do.
/// `doing` is the command's name as a person knows it, such as "PSYNC".
Error server_error(const SourceOptions& options, std::string_view doing, const std::string& reply);

/// The name that `options` authenticates as.
std::string user_name(const SourceOptions& options);

/// The ACL rule that lets a user run `doing`, such as "+psync +replconf".
std::string acl_rule(std::string_view doing);

/// `text` in at most `max_bytes` printable characters, the password taken out, for error messages.
std::string printable(const SourceOptions& options, std::string text, std::size_t max_bytes);

}  // namespace keyrewind::replica
