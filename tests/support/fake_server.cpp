#include "support/fake_server.h"

#include "base/error.h"

#include <arpa/inet.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace keyrewind::test {

namespace {

using namespace std::chrono_literals;

constexpr auto kLimit = 20s;
constexpr auto kPollEvery = 20us;

void check(int result, const char* doing) {
  if (result < 0) {
    throw std::runtime_error(std::string(doing) + ": " + errno_text(errno));
  }
}

int unread_by_peer(int socket) {
  int bytes = 0;
  return ::ioctl(socket, SIOCOUTQ, &bytes) == 0 ? bytes : 0;
}

bool is_closed_by_peer(int socket) {
  pollfd watched{socket, POLLRDHUP, 0};
  return ::poll(&watched, 1, 0) > 0;
}

}  // namespace

Step expect(std::string words) {
  return {Step::Action::expect, std::move(words)};
}
Step send(std::string bytes) {
  return {Step::Action::send, std::move(bytes)};
}
Step send_each_byte(std::string bytes) {
  return {Step::Action::send_each_byte, std::move(bytes)};
}
Step stay_silent() {
  return {Step::Action::wait_for_close};
}

Step next_connection() {
  return {Step::Action::next_connection};
}

FakeServer::FakeServer(std::vector<Step> script, Transport transport) : script_(std::move(script)) {
  transport == Transport::unix ? listen_on_unix() : listen_on_tcp();
  thread_ = std::jthread([this] { serve(); });
}

FakeServer::~FakeServer() {
  {
    const std::lock_guard lock(mutex_);
    given_up_ = true;
    ::shutdown(listening_, SHUT_RDWR);  // Wakes accept(2).
    if (connection_ >= 0) {
      ::shutdown(connection_, SHUT_RDWR);
    }
  }
  if (thread_.joinable()) {
    thread_.join();
  }
  ::close(listening_);
}

std::string FakeServer::finish() {
  thread_.join();
  return problem_;
}

void FakeServer::listen_on_unix() {
  listening_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  check(listening_, "socket");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = socket_path().string();
  std::memcpy(static_cast<char*>(address.sun_path), path.c_str(), path.size() + 1);
  check(::bind(listening_, reinterpret_cast<sockaddr*>(&address), sizeof address), "bind");
  check(::listen(listening_, 1), "listen");
}

void FakeServer::listen_on_tcp() {
  listening_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  check(listening_, "socket");
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  check(::bind(listening_, reinterpret_cast<sockaddr*>(&address), size), "bind");
  check(::listen(listening_, 1), "listen");
  check(::getsockname(listening_, reinterpret_cast<sockaddr*>(&address), &size), "getsockname");
  port_ = ::ntohs(address.sin_port);
}

void FakeServer::serve() {
  try {
    accept_connection();
    for (const Step& step : script_) {
      play(step);
    }
  } catch (const std::runtime_error& error) {
    problem_ = error.what();
  }
  close_connection();
}

void FakeServer::accept_connection() {
  const int connection = ::accept4(listening_, nullptr, nullptr, SOCK_CLOEXEC);
  if (connection < 0) {
    throw std::runtime_error("nobody connected");
  }
  buffer_.clear();
  const std::lock_guard lock(mutex_);
  connection_ = connection;
  if (given_up_) {
    ::shutdown(connection, SHUT_RDWR);
  }
}

void FakeServer::close_connection() {
  const std::lock_guard lock(mutex_);
  if (connection_ >= 0) {
    ::close(std::exchange(connection_, -1));
  }
}

void FakeServer::play(const Step& step) {
  switch (step.action) {
    case Step::Action::expect:
      return expect_command(step.text);
    case Step::Action::send:
      return send_and_wait(step.text);
    case Step::Action::send_each_byte:
      for (const char byte : step.text) {
        send_and_wait(std::string(1, byte));
      }
      return;
    case Step::Action::next_connection:
      close_connection();
      return accept_connection();
    case Step::Action::wait_for_close: {
      std::array<char, 512> ignored{};
      while (::recv(connection_, ignored.data(), ignored.size(), 0) > 0) {
      }
      return;
    }
  }
}

void FakeServer::expect_command(const std::string& words) {
  std::string got;
  const int count = std::stoi(read_line().substr(1));
  for (int i = 0; i < count; ++i) {
    const std::size_t size = std::stoul(read_line().substr(1));
    got += got.empty() ? "" : " ";
    got += read_bytes(size);
    read_line();
  }
  if (!words.empty() && got != words) {
    throw std::runtime_error("expected \"" + words + "\", got \"" + got + "\"");
  }
}

void FakeServer::send_and_wait(const std::string& bytes) const {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t sent =
        ::send(connection_, bytes.data() + done, bytes.size() - done, MSG_NOSIGNAL);
    if (sent < 0) {
      throw std::runtime_error("the peer hung up while it was sent something");
    }
    done += static_cast<std::size_t>(sent);
  }
  const auto deadline = std::chrono::steady_clock::now() + kLimit;
  while (port_ == 0 && unread_by_peer(connection_) > 0 && !is_closed_by_peer(connection_)) {
    if (std::chrono::steady_clock::now() > deadline) {
      throw std::runtime_error("the peer did not read what it was sent");
    }
    std::this_thread::sleep_for(kPollEvery);
  }
}

std::string FakeServer::read_line() {
  while (buffer_.find("\r\n") == std::string::npos) {
    fill();
  }
  const std::size_t end = buffer_.find("\r\n");
  const std::string line = buffer_.substr(0, end);
  buffer_.erase(0, end + 2);
  return line;
}

std::string FakeServer::read_bytes(std::size_t count) {
  while (buffer_.size() < count) {
    fill();
  }
  const std::string bytes = buffer_.substr(0, count);
  buffer_.erase(0, count);
  return bytes;
}

void FakeServer::fill() {
  std::array<char, 4096> piece{};
  const ssize_t got = ::recv(connection_, piece.data(), piece.size(), 0);
  if (got <= 0) {
    throw std::runtime_error("the peer hung up before its next command");
  }
  buffer_.append(piece.data(), static_cast<std::size_t>(got));
}

}  // namespace keyrewind::test
