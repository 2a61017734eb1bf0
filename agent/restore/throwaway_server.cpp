#include "restore/throwaway_server.h"

#include "aof/layout.h"
#include "base/error.h"
#include "io/fd.h"
#include "io/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <sstream>
#include <system_error>
#include <thread>

namespace keyrewind::restore {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

constexpr const char* kSocket = "server.sock";

/// How long a server may be busy saving.
constexpr std::chrono::hours kSaveTimeout{24};

std::vector<std::string> split_words(const std::string& command) {
  std::istringstream stream(command);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) {
    words.push_back(word);
  }
  if (words.empty()) {
    throw Error(ErrorKind::config, "the server program is empty; name one, such as valkey-server");
  }
  return words;
}

/// Starts `words` in `folder` with its output going to `output`. It is killed when this thread's
/// process ends. Throws Error(failed) if the program can't be started.
int start(const std::vector<std::string>& words, const fs::path& folder, int output) {
  std::vector<char*> arguments;
  arguments.reserve(words.size() + 1);
  for (const std::string& word : words) {
    arguments.push_back(const_cast<char*>(word.c_str()));
  }
  arguments.push_back(nullptr);

  // The child says over this pipe, which closes when it becomes the program, why it could not.
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) {
    throw Error(ErrorKind::failed, "make a pipe: " + errno_text(errno));
  }
  const io::Fd from_child(ends[0]);
  io::Fd to_parent(ends[1]);
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) {
    throw Error(ErrorKind::failed, "start a process: " + errno_text(errno));
  }
  if (pid == 0) {
    // Only calls that are safe after fork in a program with threads.
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() == parent && dup2(output, STDOUT_FILENO) >= 0 &&
        dup2(output, STDERR_FILENO) >= 0 && chdir(folder.c_str()) == 0) {
      execvp(arguments.front(), arguments.data());
    }
    const int number = errno;
    [[maybe_unused]] const auto written = write(to_parent.number(), &number, sizeof number);
    _exit(127);
  }
  to_parent.close();
  int number = 0;
  ssize_t got = 0;
  do {
    got = read(from_child.number(), &number, sizeof number);
  } while (got < 0 && errno == EINTR);
  if (got == static_cast<ssize_t>(sizeof number)) {
    waitpid(pid, nullptr, 0);
    throw Error(ErrorKind::failed,
                fmt::format("can't run {}: {}; name a server program with --server", words.front(),
                            errno_text(number)));
  }
  return pid;
}

io::Fd open_folder(const fs::path& path) {
  io::Fd folder(open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!folder) {
    throw io::file_error(Side::here, errno, "open folder", path);
  }
  return folder;
}

std::vector<std::string> common_options(const ThrowawayData& data) {
  return {"--port",
          "0",
          "--unixsocket",
          kSocket,
          "--unixsocketperm",
          "700",
          "--dir",
          ".",
          "--dbfilename",
          "dump.rdb",
          "--save",
          "",
          "--daemonize",
          "no",
          "--logfile",
          "",
          "--databases",
          std::to_string(data.databases)};
}

std::vector<std::string> options_for(ThrowawayData::Form form) {
  if (form == ThrowawayData::Form::rdb) {
    return {"--appendonly", "no"};
  }
  const aof::Names names;
  // A replica leaves expired keys to its primary and so keeps them. Nobody can listen on port 0.
  return {"--appendonly",
          "yes",
          "--appenddirname",
          names.folder,
          "--appendfilename",
          names.stem,
          "--aof-load-truncated",
          "no",
          "--auto-aof-rewrite-percentage",
          "0",
          "--appendfsync",
          "no",
          "--replicaof",
          "127.0.0.1",
          "0"};
}

io::Fd create_file(const fs::path& path) {
  io::Fd file(open(path.c_str(), O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0640));
  if (!file) {
    throw io::file_error(Side::here, errno, "create", path);
  }
  return file;
}

std::string read_log(const fs::path& path) {
  std::error_code ignored;
  const auto size = fs::file_size(path, ignored);
  if (ignored || size > (16U << 20U)) {
    return "";
  }
  return std::string(as_text(io::read_file(path, 16U << 20U, Side::here)));
}

/// The line of a server's log that says why it gave up, or its last one.
std::string telling_line(const std::string& log) {
  std::string last;
  std::string telling;
  std::istringstream stream(log);
  for (std::string line; std::getline(stream, line);) {
    if (line.empty()) {
      continue;
    }
    last = line;
    for (const char* word : {"Fatal", "fatal", "FATAL", "Can't", "can't", "Error", "error"}) {
      if (line.find(word) != std::string::npos && telling.empty()) {
        telling = line;
      }
    }
  }
  const std::string& line = telling.empty() ? last : telling;
  // "1234:M 20 Nov 2026 13:00:00.000 # Can't load …": the words begin behind the level mark.
  const auto mark = line.find_first_of("#*-");
  return mark == std::string::npos || mark + 2 > line.size() ? line : line.substr(mark + 2);
}

}  // namespace

rdb::ServerVersion ask_version(const ServerProgram& program) {
  std::vector<std::string> words{split_words(program.command).front(), "--version"};
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) {
    throw Error(ErrorKind::failed, "make a pipe: " + errno_text(errno));
  }
  const io::Fd output(ends[0]);
  io::Fd input(ends[1]);
  const int pid = start(words, "/", input.number());
  input.close();
  std::string text;
  std::array<char, 512> buffer{};
  for (ssize_t got = 0; (got = read(output.number(), buffer.data(), buffer.size())) > 0;) {
    text.append(buffer.data(), static_cast<std::size_t>(got));
    if (text.size() > 4096) {
      break;
    }
  }
  ::kill(pid, SIGKILL);
  waitpid(pid, nullptr, 0);
  const auto version = rdb::parse_server_version(text);
  if (!version) {
    throw Error(ErrorKind::failed, fmt::format("{} --version does not answer as a Redis or Valkey "
                                               "server does; name one with --server",
                                               words.front()));
  }
  return *version;
}

ThrowawayServer::ThrowawayServer(const ServerProgram& program, const fs::path& folder,
                                 const ThrowawayData& data, std::stop_token stop)
    : command_(program.command), folder_(folder), folder_fd_(open_folder(folder)) {
  std::vector<std::string> words = split_words(program.command);
  for (const auto& options : {common_options(data), options_for(data.form)}) {
    words.insert(words.end(), options.begin(), options.end());
  }
  const io::Fd log = create_file(folder_ / "server.log");
  pid_ = start(words, folder_, log.number());
  try {
    wait_until_loaded(stop);
  } catch (...) {
    kill();
    throw;
  }
}

ThrowawayServer::~ThrowawayServer() {
  kill();
}

replica::SourceOptions ThrowawayServer::address() const {
  // A socket's path may have 107 bytes, the folder's more.
  replica::SourceOptions options;
  options.address = replica::parse_address(
      fmt::format("unix:///proc/self/fd/{}/{}", folder_fd_.number(), kSocket));
  return options;
}

void ThrowawayServer::wait_until_loaded(const std::stop_token& stop) {
  const replica::SourceOptions options = address();
  while (true) {
    if (stop.stop_requested()) {
      throw Error(ErrorKind::cancelled, "stopped");
    }
    int status = 0;
    if (waitpid(pid_, &status, WNOHANG) == pid_) {
      pid_ = -1;
      fail_with_log();
    }
    try {
      replica::Connection connection(options, stop);
      const resp::Reply reply = connection.call({"INFO"});
      if (reply.kind == resp::Reply::Kind::text &&
          reply.text.find("\r\nloading:0\r\n") != std::string::npos) {
        info_ = reply.text;
        return;
      }
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::cancelled) {
        throw;
      }
      // Not listening yet, or busy loading: the next round shows.
    }
    std::this_thread::sleep_for(milliseconds(50));
  }
}

std::string ThrowawayServer::info(const std::string& field) const {
  const std::string start = "\r\n" + field + ":";
  const auto at = info_.find(start);
  if (at == std::string::npos) {
    return "";
  }
  const auto value = at + start.size();
  return info_.substr(value, info_.find("\r\n", value) - value);
}

std::uint64_t ThrowawayServer::number(const std::string& field) const {
  const std::string text = info(field);
  std::uint64_t number = 0;
  if (std::from_chars(text.data(), text.data() + text.size(), number).ec != std::errc()) {
    throw Error(ErrorKind::failed, fmt::format("the INFO of {} has no {}", command_, field));
  }
  return number;
}

void ThrowawayServer::save(std::stop_token stop) {
  replica::SourceOptions options = address();
  options.silence_timeout = kSaveTimeout;
  try {
    replica::Connection connection(options, stop);
    const resp::Reply reply = connection.call({"SAVE"});
    if (reply.kind != resp::Reply::Kind::error) {
      return;
    }
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::cancelled) {
      throw;
    }
  }
  throw Error(ErrorKind::failed, fmt::format("{} could not save an RDB: {}", command_,
                                             telling_line(read_log(folder_ / "server.log"))));
}

void ThrowawayServer::fail_with_log() {
  throw Error(ErrorKind::corrupt, fmt::format("{} did not load the data: {}", command_,
                                              telling_line(read_log(folder_ / "server.log"))));
}

void ThrowawayServer::kill() noexcept {
  if (pid_ > 0) {
    // Nothing in it is worth an orderly end.
    ::kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }
}

}  // namespace keyrewind::restore
