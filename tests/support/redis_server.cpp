#include "support/redis_server.h"

#include "base/error.h"
#include "support/paths.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string_view>
#include <thread>

namespace keyrewind::test {
namespace {

using namespace std::chrono_literals;

constexpr auto kReadyLimit = 20s;
constexpr auto kPollEvery = 5ms;
constexpr int kPortTries = 5;

std::filesystem::path resolve(const std::string& program) {
  if (program.find('/') != std::string::npos) {
    return program;
  }
  if (auto found = find_server(program)) {
    return *found;
  }
  throw std::runtime_error(program + " is not on this machine; run tests/support/fetch-servers.sh");
}

std::string to_text(const Reply& reply) {
  if (reply.type != '*') {
    return reply.text;
  }
  std::string text;
  for (const Reply& element : reply.elements) {
    text += (text.empty() ? "" : "\n") + to_text(element);
  }
  return text;
}

/// One entry of INFO keyspace, "db0:keys=12,expires=0,avg_ttl=0": its number of keys; else 0.
std::uint64_t keys_of(const std::string& line) {
  constexpr std::string_view kMark = ":keys=";
  const std::size_t at = line.find(kMark);
  const bool is_entry = line.starts_with("db") && at != std::string::npos;
  return is_entry ? std::stoull(line.substr(at + kMark.size())) : 0;
}

}  // namespace

std::vector<std::string> all_servers() {
  return {"redis-server-7.0", "redis-server-8.0", "valkey-server-8.0", "valkey-server-8.1",
          "valkey-server-9.1"};
}

std::vector<std::string> available_servers() {
  std::vector<std::string> found = all_servers();
  std::erase_if(found, [](const std::string& name) { return !find_server(name); });
  return found;
}

std::optional<std::filesystem::path> find_server(const std::string& name) {
  constexpr std::string_view kSystemVersion = "-7.0";
  const auto fetched = source_dir() / "build/servers/bin" / name;
  if (access(fetched.c_str(), X_OK) == 0) {
    return fetched;
  }
  if (name.starts_with("redis-") && name.ends_with(kSystemVersion)) {
    const auto system =
        std::filesystem::path("/usr/bin") / name.substr(0, name.size() - kSystemVersion.size());
    if (access(system.c_str(), X_OK) == 0) {
      return system;
    }
  }
  return std::nullopt;
}

void require_server(const std::string& name) {
  if (find_server(name)) {
    return;
  }
  const char* required = std::getenv("KEYREWIND_REQUIRE_SERVERS");
  if (required != nullptr && std::string_view(required) == "1") {
    FAIL() << name << " is not on this machine, and KEYREWIND_REQUIRE_SERVERS=1 wants it";
  }
  GTEST_SKIP() << name << " is not on this machine; run tests/support/fetch-servers.sh";
}

std::string to_test_name(const std::string& server) {
  std::string name = server;
  for (char& letter : name) {
    if (letter == '-' || letter == '.') {
      letter = '_';
    }
  }
  return name;
}

std::uint16_t free_port() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  const bool found =
      fd >= 0 && bind(fd, generic, size) == 0 && getsockname(fd, generic, &size) == 0;
  const int number = errno;
  close(fd);
  if (!found) {
    throw std::runtime_error("cannot find a free port: " + errno_text(number));
  }
  return ntohs(address.sin_port);
}

RedisServer::RedisServer(ServerOptions options)
    : options_(std::move(options)), dir_(options_.dir.value_or(run_ / "data")) {
  std::filesystem::create_directories(dir_);
  for (int attempt = 1;; ++attempt) {
    start();
    try {
      if (options_.wait) {
        wait_until_ready();
      }
      return;
    } catch (const std::runtime_error&) {
      const bool port_taken =
          options_.tcp && log().find("Address already in use") != std::string::npos;
      if (!port_taken || attempt == kPortTries) {
        throw;
      }
      std::filesystem::remove(run_ / "log");
    }
  }
}

std::string RedisServer::url() const {
  return options_.tcp ? "valkey://127.0.0.1:" + std::to_string(port_)
                      : "unix://" + socket_path().string();
}

std::string RedisServer::cli(const std::vector<std::string>& command) {
  const Reply reply = call(command);
  if (reply.is_error()) {
    throw std::runtime_error(command.at(0) + ": " + reply.text);
  }
  return to_text(reply);
}

Reply RedisServer::call(const std::vector<std::string>& command) {
  if (!client_) {
    client_.emplace(connect());
  }
  try {
    return client_->call(command);
  } catch (const std::runtime_error&) {
    client_.reset();
    throw;
  }
}

RespClient RedisServer::connect() const {
  RespClient client = RespClient::connect_unix(socket_path());
  if (!options_.password.empty()) {
    if (const Reply reply = client.call({"AUTH", options_.password}); reply.is_error()) {
      throw std::runtime_error("AUTH: " + reply.text);
    }
  }
  return client;
}

std::vector<std::string> RedisServer::functions() {
  std::vector<std::string> sources;
  const Reply libraries = call({"FUNCTION", "LIST", "WITHCODE"});
  for (const Reply& library : libraries.elements) {
    sources.push_back(library.elements.back().text);
  }
  std::ranges::sort(sources);
  return sources;
}

std::uint64_t RedisServer::dbsize() {
  std::istringstream lines(cli({"INFO", "keyspace"}));
  std::uint64_t keys = 0;
  for (std::string line; std::getline(lines, line);) {
    keys += keys_of(line);
  }
  return keys;
}

std::string RedisServer::info(const std::string& field) {
  std::istringstream lines(cli({"INFO", "everything"}));
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(field + ":")) {
      line.erase(0, field.size() + 1);
      return line.substr(0, line.find('\r'));
    }
  }
  return {};
}

void RedisServer::save() {
  const auto deadline = std::chrono::steady_clock::now() + kReadyLimit;
  for (;;) {
    const Reply reply = call({"SAVE"});
    if (!reply.is_error()) {
      return;
    }
    const bool child_runs = reply.text.find("already in progress") != std::string::npos;
    if (!child_runs || std::chrono::steady_clock::now() > deadline) {
      throw std::runtime_error("SAVE: " + reply.text);
    }
    std::this_thread::sleep_for(kPollEvery);
  }
}

void RedisServer::stop() {
  client_.reset();
  process_->signal(SIGTERM);
  process_->wait();
}

void RedisServer::kill() {
  client_.reset();
  process_->signal(SIGKILL);
  process_->wait();
}

void RedisServer::wait_until_ready() {
  const auto deadline = std::chrono::steady_clock::now() + kReadyLimit;
  while (!answers()) {
    if (!process_->running()) {
      throw std::runtime_error(options_.program + " ended at its start:\n" + log());
    }
    if (std::chrono::steady_clock::now() > deadline) {
      throw std::runtime_error(options_.program + " did not answer within 20 s:\n" + log());
    }
    std::this_thread::sleep_for(kPollEvery);
  }
}

std::string RedisServer::log() const {
  std::ifstream file(run_ / "log", std::ios::binary);
  std::ostringstream content;
  content << file.rdbuf();
  std::string text = content.str();
  return text + process_->out() + process_->err();
}

void RedisServer::start() {
  port_ = options_.tcp ? free_port() : std::uint16_t{0};
  std::vector<std::string> command = {resolve(options_.program).string(),
                                      "--port",
                                      std::to_string(port_),
                                      "--bind",
                                      "127.0.0.1",
                                      "--unixsocket",
                                      socket_path().string(),
                                      "--dir",
                                      dir_.string(),
                                      "--logfile",
                                      (run_ / "log").string(),
                                      "--save",
                                      "",
                                      "--appendonly",
                                      "no",
                                      "--daemonize",
                                      "no",
                                      "--repl-diskless-sync-delay",
                                      "0",
                                      "--enable-debug-command",
                                      "local"};
  if (!options_.password.empty()) {
    command.insert(command.end(), {"--requirepass", options_.password});
  }
  command.insert(command.end(), options_.args.begin(), options_.args.end());
  process_.emplace(ProcessOptions{.command = std::move(command)});
}

bool RedisServer::answers() {
  try {
    const Reply reply = call({"PING"});
    return !reply.text.starts_with("LOADING");
  } catch (const std::runtime_error&) {
    return false;
  }
}

}  // namespace keyrewind::test
