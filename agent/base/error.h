#pragma once

#include <exception>
#include <string>
#include <string_view>
#include <utility>

namespace keyrewind {

/// What a caller can do about a failure. Exit statuses and metric labels are read from this and
/// from the Side, never from the message.
enum class ErrorKind {
  config,            ///< The configuration or the command line is wrong; a person must change it.
  unavailable,       ///< The peer did not answer or asked to wait; the same call may work later.
  denied,            ///< The peer answered and refused the credentials or the permission.
  protocol,          ///< The peer sent something that the protocol does not allow.
  no_backup,         ///< No backup matches what was asked for.
  target_not_empty,  ///< The place to restore to holds a server's data.
  corrupt,           ///< Bytes fail their checksum or their grammar.
  incompatible,      ///< Sound data that this program or the target server is too old or small for.
  busy,              ///< Somebody else holds the lock.
  cancelled,         ///< The work was stopped on request.
  failed,            ///< This machine could not do it: disk full, program missing.
  internal,          ///< A bug here.
};

/// Whose failure it is: the same kind has another exit status at the source than at the repository.
enum class Side { here, source, repository };

/// The one exception type that Keyrewind throws. The message is one line, lower case, without a
/// full stop, as it ends up after a colon. What the user can do follows after a semicolon.
class Error : public std::exception {
 public:
  Error(ErrorKind kind, std::string message) : kind_(kind), message_(std::move(message)) {}
  Error(Side side, ErrorKind kind, std::string message)
      : side_(side), kind_(kind), message_(std::move(message)) {}

  /// Puts `context` in front of the message: call it while rethrowing, to say what was being done
  /// in terms of the caller.
  void add_context(std::string_view context) { message_.insert(0, std::string(context) + ": "); }

  Side side() const noexcept { return side_; }
  ErrorKind kind() const noexcept { return kind_; }
  const char* what() const noexcept override { return message_.c_str(); }

 private:
  Side side_ = Side::here;
  ErrorKind kind_;
  std::string message_;
};

/// The exit statuses of the command line. Scripts rely on them: never renumber.
enum class ExitStatus {
  ok = 0,
  failure = 1,
  usage = 2,
  warnings = 3,
  no_backup = 4,
  repository = 5,
  source = 6,
  target_not_empty = 7,
  corrupt = 8,
  busy = 9,
  unhealthy = 10,
  interrupted = 130,
};

/// The exit status that `error` ends the program with.
ExitStatus exit_status(const Error& error) noexcept;

/// A word for metric labels and JSON, such as "unavailable".
std::string_view to_string(ErrorKind kind) noexcept;

/// "No space left on device" for ENOSPC, and so on. Thread-safe.
std::string errno_text(int number);

}  // namespace keyrewind
