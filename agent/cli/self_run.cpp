#include "cli/self_run.h"

#include "base/error.h"
#include "flow/pause.h"
#include "io/fd.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>

namespace keyrewind::cli {
namespace {

constexpr std::chrono::milliseconds kPoll{20};

/// A file without a name that takes what a process prints.
class Capture {
 public:
  Capture() : fd_(::memfd_create("output", 0)) {
    if (!fd_) {
      throw Error(ErrorKind::failed, fmt::format("no memory for output: {}", std::strerror(errno)));
    }
  }

  int number() const noexcept { return fd_.number(); }

  std::string text() const {
    std::string text(static_cast<std::size_t>(::lseek(fd_.number(), 0, SEEK_END)), '\0');
    const ssize_t got = ::pread(fd_.number(), text.data(), text.size(), 0);
    text.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
    return text;
  }

 private:
  io::Fd fd_;
};

pid_t start(const std::vector<std::string>& arguments, const Capture& out, const Capture& err) {
  std::vector<std::string> words{"keyrewind"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  argv.reserve(words.size() + 1);
  for (std::string& word : words) {
    argv.push_back(word.data());
  }
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, out.number(), STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, err.number(), STDERR_FILENO);
  // This process takes its signals in a thread of its own and blocks them; the new one must not.
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  sigset_t none;
  ::sigemptyset(&none);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  pid_t pid = 0;
  const int error =
      ::posix_spawn(&pid, "/proc/self/exe", &actions, &attributes, argv.data(), environ);
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    throw Error(ErrorKind::failed,
                fmt::format("keyrewind can't be started once more: {}", std::strerror(error)));
  }
  return pid;
}

void end(pid_t pid) {
  ::kill(pid, SIGKILL);
  ::waitpid(pid, nullptr, 0);
}

}  // namespace

SelfRun run_self(const std::vector<std::string>& arguments, std::chrono::milliseconds limit,
                 std::stop_token stop) {
  const Capture out;
  const Capture err;
  const pid_t pid = start(arguments, out, err);
  const auto deadline = std::chrono::steady_clock::now() + limit;
  int status = 0;
  while (::waitpid(pid, &status, WNOHANG) == 0) {
    if (stop.stop_requested()) {
      end(pid);
      throw Error(ErrorKind::cancelled, "stopped");
    }
    if (std::chrono::steady_clock::now() > deadline) {
      end(pid);
      return {.status = -1, .out = out.text(), .err = err.text()};
    }
    flow::pause(kPoll, stop);
  }
  return {.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
          .out = out.text(),
          .err = err.text()};
}

}  // namespace keyrewind::cli
