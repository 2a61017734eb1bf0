#include "support/process.h"

#include "base/error.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <stdexcept>
#include <string_view>

extern char** environ;

namespace keyrewind::test {
namespace {

constexpr int kExecFailed = 127;

[[noreturn]] void fail(const std::string& what) {
  throw std::runtime_error(what + ": " + errno_text(errno));
}

void close_if_open(int& fd) noexcept {
  if (fd >= 0) {
    close(fd);
    fd = -1;
  }
}

/// A file in memory: it never fills up like a pipe, so nobody has to read while the program runs.
int open_capture(const char* name) {
  const int fd = memfd_create(name, MFD_CLOEXEC);
  if (fd < 0) {
    fail("cannot make a file in memory");
  }
  // Appending, because the captured offset is shared with the program.
  fcntl(fd, F_SETFL, O_APPEND);
  return fd;
}

int open_output(const std::optional<std::filesystem::path>& file, const char* name) {
  if (!file) {
    return open_capture(name);
  }
  const int fd = open(file->c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (fd < 0) {
    fail("cannot open " + file->string());
  }
  return fd;
}

int open_input(const std::string& input) {
  if (input.empty()) {
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
  }
  const int fd = open_capture("stdin");
  std::size_t written = 0;
  while (written < input.size()) {
    const ssize_t count = write(fd, input.data() + written, input.size() - written);
    if (count < 0) {
      fail("cannot write a file in memory");
    }
    written += static_cast<std::size_t>(count);
  }
  lseek(fd, 0, SEEK_SET);
  return fd;
}

std::string read_all(int fd) {
  std::string all;
  std::array<char, 65536> piece{};
  for (;;) {
    const ssize_t count = pread(fd, piece.data(), piece.size(), static_cast<off_t>(all.size()));
    if (count <= 0) {
      return all;
    }
    all.append(piece.data(), static_cast<std::size_t>(count));
  }
}

bool names_variable(std::string_view entry, std::string_view name) {
  return entry.size() > name.size() && entry.starts_with(name) && entry[name.size()] == '=';
}

std::vector<std::string> environment(const ProcessOptions& options) {
  std::vector<std::string> entries;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const auto replaced = [&](const auto& pair) { return names_variable(*entry, pair.first); };
    const auto removed = [&](const auto& name) { return names_variable(*entry, name); };
    if (std::ranges::none_of(options.env, replaced) &&
        std::ranges::none_of(options.unset, removed)) {
      entries.emplace_back(*entry);
    }
  }
  for (const auto& [name, value] : options.env) {
    entries.push_back(name + "=" + value);
  }
  return entries;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (std::string& text : texts) {
    result.push_back(text.data());
  }
  result.push_back(nullptr);
  return result;
}

/// What the child needs, prepared before the fork: between fork and exec only plain system calls
/// are allowed.
struct Child {
  std::vector<char*> argv;
  std::vector<char*> envp;
  const char* cwd;
  int in;
  int out;
  int err;
  int report;
  pid_t parent;
};

[[noreturn]] void become(const Child& child) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != child.parent) {
    _exit(kExecFailed);
  }
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  std::signal(SIGPIPE, SIG_DFL);
  const bool ready = dup2(child.in, STDIN_FILENO) >= 0 && dup2(child.out, STDOUT_FILENO) >= 0 &&
                     dup2(child.err, STDERR_FILENO) >= 0 &&
                     (child.cwd == nullptr || chdir(child.cwd) == 0);
  if (ready) {
    execvpe(child.argv.front(), child.argv.data(), child.envp.data());
  }
  const int number = errno;
  [[maybe_unused]] const ssize_t told = write(child.report, &number, sizeof number);
  _exit(kExecFailed);
}

ExitResult to_result(const siginfo_t& info) {
  if (info.si_code == CLD_EXITED) {
    return {.code = info.si_status, .signal = 0};
  }
  return {.code = 128 + info.si_status, .signal = info.si_status};
}

}  // namespace

Process::Process(const ProcessOptions& options) : name_(options.command.at(0)) {
  std::vector<std::string> arguments = options.command;
  std::vector<std::string> variables = environment(options);
  std::array<int, 2> report{};
  if (pipe2(report.data(), O_CLOEXEC) != 0) {
    fail("cannot make a pipe");
  }
  int input = open_input(options.input);
  out_fd_ = open_output(options.out_file, "stdout");
  err_fd_ = open_output(options.err_file, "stderr");
  const Child child{.argv = pointers(arguments),
                    .envp = pointers(variables),
                    .cwd = options.cwd ? options.cwd->c_str() : nullptr,
                    .in = input,
                    .out = out_fd_,
                    .err = err_fd_,
                    .report = report[1],
                    .parent = getpid()};

  pid_ = fork();
  if (pid_ == 0) {
    become(child);
  }
  close_if_open(input);
  close_if_open(report[1]);
  int number = 0;
  const bool failed = pid_ < 0 || read(report[0], &number, sizeof number) > 0;
  close_if_open(report[0]);
  if (failed) {
    end();
    throw std::runtime_error("cannot start " + name_ + ": " + errno_text(number));
  }
  // Not by glibc's wrapper: the header of 2.36 forgets to say that it is C.
  pid_fd_ = static_cast<int>(syscall(SYS_pidfd_open, pid_, 0));
}

Process::~Process() {
  end();
}

Process::Process(Process&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      pid_fd_(std::exchange(other.pid_fd_, -1)),
      out_fd_(std::exchange(other.out_fd_, -1)),
      err_fd_(std::exchange(other.err_fd_, -1)),
      name_(std::move(other.name_)),
      result_(other.result_) {}

Process& Process::operator=(Process&& other) noexcept {
  if (this != &other) {
    end();
    pid_ = std::exchange(other.pid_, -1);
    pid_fd_ = std::exchange(other.pid_fd_, -1);
    out_fd_ = std::exchange(other.out_fd_, -1);
    err_fd_ = std::exchange(other.err_fd_, -1);
    name_ = std::move(other.name_);
    result_ = other.result_;
  }
  return *this;
}

void Process::signal(int number) const {
  if (pid_ > 0 && !result_) {
    ::kill(pid_, number);
  }
}

std::optional<ExitResult> Process::try_wait(std::chrono::milliseconds limit) {
  if (result_) {
    return result_;
  }
  const auto deadline = std::chrono::steady_clock::now() + limit;
  pollfd ended{.fd = pid_fd_, .events = POLLIN, .revents = 0};
  for (;;) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    const int ready = poll(&ended, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
    if (ready == 0) {
      return std::nullopt;
    }
    if (ready > 0) {
      break;
    }
  }
  siginfo_t info{};
  if (waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED) != 0) {
    fail("cannot wait for " + name_);
  }
  result_ = to_result(info);
  return result_;
}

ExitResult Process::wait(std::chrono::milliseconds limit) {
  if (const auto result = try_wait(limit)) {
    return *result;
  }
  signal(SIGKILL);
  try_wait(std::chrono::seconds(10));
  throw std::runtime_error(name_ + " did not end within " + std::to_string(limit.count()) +
                           " ms; it wrote:\n" + out() + err());
}

std::string Process::out() const {
  return read_all(out_fd_);
}

std::string Process::err() const {
  return read_all(err_fd_);
}

void Process::end() noexcept {
  if (pid_ > 0 && !result_) {
    ::kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  pid_ = -1;
  close_if_open(pid_fd_);
  close_if_open(out_fd_);
  close_if_open(err_fd_);
}

RunResult run(const ProcessOptions& options, std::chrono::milliseconds limit) {
  Process process(options);
  const ExitResult result = process.wait(limit);
  return {.status = result.code, .out = process.out(), .err = process.err()};
}

RunResult run(std::vector<std::string> command, std::chrono::milliseconds limit) {
  return run(ProcessOptions{.command = std::move(command)}, limit);
}

}  // namespace keyrewind::test
