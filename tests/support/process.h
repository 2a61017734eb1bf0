#pragma once

#include <sys/types.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace keyrewind::test {

/// How a program ended: by itself with `code`, or by `signal` (then `code` is 128 + signal, as a
/// shell says it).
struct ExitResult {
  int code = 0;
  int signal = 0;

  bool operator==(const ExitResult&) const = default;
};

/// What to start and with what around it.
struct ProcessOptions {
  /// Program and arguments; a program without a slash is looked up in PATH.
  std::vector<std::string> command;
  /// Added to this process's environment, replacing what has the same name.
  std::vector<std::pair<std::string, std::string>> env = {};
  /// Names taken out of the environment.
  std::vector<std::string> unset = {};
  /// The folder to start in; where the test runs if nothing.
  std::optional<std::filesystem::path> cwd = {};
  /// Files to append to; captured in memory if nothing.
  std::optional<std::filesystem::path> out_file = {};
  std::optional<std::filesystem::path> err_file = {};
  /// Given to the program as its standard input.
  std::string input = {};
};

/// A running program, killed and reaped at the end of its scope; it also dies with the thread
/// that started it, so that a test that is killed leaves nothing behind.
class Process {
 public:
  /// Throws std::runtime_error if the program cannot be started.
  explicit Process(const ProcessOptions& options);
  ~Process();
  Process(Process&& other) noexcept;
  Process& operator=(Process&& other) noexcept;
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const noexcept { return pid_; }

  /// Sends `number`; does nothing once the program has been waited for.
  void signal(int number) const;

  /// Waits for the end. Nothing if it still runs when `limit` has passed.
  std::optional<ExitResult> try_wait(std::chrono::milliseconds limit);

  /// Waits for the end, at most `limit`: then kills it and throws std::runtime_error.
  ExitResult wait(std::chrono::milliseconds limit = std::chrono::seconds(60));

  bool running() { return !try_wait(std::chrono::milliseconds(0)); }

  /// What it has written so far, where that is captured.
  std::string out() const;
  std::string err() const;

 private:
  void end() noexcept;

  pid_t pid_ = -1;
  int pid_fd_ = -1;
  int out_fd_ = -1;
  int err_fd_ = -1;
  std::string name_;
  std::optional<ExitResult> result_;
};

/// What a finished program said. `status` is what a shell would have in $?.
struct RunResult {
  int status = 0;
  std::string out;
  std::string err;
};

/// Runs a program to its end. Kills it and throws std::runtime_error after `limit`.
RunResult run(const ProcessOptions& options,
              std::chrono::milliseconds limit = std::chrono::seconds(120));
RunResult run(std::vector<std::string> command,
              std::chrono::milliseconds limit = std::chrono::seconds(120));

}  // namespace keyrewind::test
