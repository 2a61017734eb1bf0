#include "support/http_server.h"

#include "base/error.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <stdexcept>

namespace keyrewind::test {
namespace {

using namespace std::chrono_literals;

constexpr auto kLimit = 20s;
constexpr int kDripMilliseconds = 20;

void check(int result, const char* doing) {
  if (result < 0) {
    throw std::runtime_error(std::string(doing) + ": " + errno_text(errno));
  }
}

/// Thrown when a connection is over, whoever ended it.
struct Ended {};

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return text;
}

std::string trimmed(const std::string& text) {
  const std::size_t first = text.find_first_not_of(" \t");
  const std::size_t last = text.find_last_not_of(" \t");
  return first == std::string::npos ? "" : text.substr(first, last - first + 1);
}

bool has_no_body(const HttpRequest& request, int status) {
  return request.method == "HEAD" || status == 204 || status == 304;
}

std::string chunked(std::string_view body) {
  std::string text;
  while (!body.empty()) {
    const std::string_view piece = body.substr(0, 1000);
    text += fmt::format("{:x}\r\n{}\r\n", piece.size(), piece);
    body.remove_prefix(piece.size());
  }
  return text + "0\r\n\r\n";
}

std::string head_of(const HttpAnswer& answer) {
  std::string head = fmt::format("HTTP/1.1 {} Scripted\r\n", answer.status);
  for (const auto& [name, value] : answer.headers) {
    head += fmt::format("{}: {}\r\n", name, value);
  }
  if (answer.chunked) {
    head += "Transfer-Encoding: chunked\r\n";
  } else if (answer.status != 204) {
    head +=
        fmt::format("Content-Length: {}\r\n", answer.content_length.value_or(answer.body.size()));
  }
  if (answer.close) {
    head += "Connection: close\r\n";
  }
  return head + "\r\n";
}

}  // namespace

/// One connection's socket, with what was read from it too far.
class HttpServer::Connection {
 public:
  explicit Connection(int socket) : socket_(socket) {}

  std::string read_line() {
    std::size_t end = 0;
    while ((end = buffer_.find("\r\n")) == std::string::npos) {
      fill();
    }
    std::string line = buffer_.substr(0, end);
    buffer_.erase(0, end + 2);
    return line;
  }

  std::string read_bytes(std::size_t count) {
    buffer_.reserve(count);
    while (buffer_.size() < count) {
      fill();
    }
    std::string bytes = buffer_.substr(0, count);
    buffer_.erase(0, count);
    return bytes;
  }

  void send(std::string_view bytes) const {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) {
        throw Ended{};
      }
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
  }

  /// Closes it so that the peer gets a reset.
  [[noreturn]] void reset() const {
    const linger at_once{1, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    throw Ended{};
  }

  /// Does nothing until the peer or the server hangs up. What the peer sends is left where it is.
  [[noreturn]] void wait_for_end() const {
    pollfd watched{socket_, POLLRDHUP, 0};
    ::poll(&watched, 1, -1);
    throw Ended{};
  }

  [[noreturn]] void drip(std::string_view bytes) const {
    for (const char byte : bytes) {
      pollfd watched{socket_, POLLRDHUP, 0};
      if (::poll(&watched, 1, kDripMilliseconds) > 0) {
        throw Ended{};
      }
      send(std::string_view(&byte, 1));
    }
    throw Ended{};
  }

 private:
  void fill() {
    std::array<char, 65536> piece{};
    const ssize_t got = ::recv(socket_, piece.data(), piece.size(), 0);
    if (got <= 0) {
      throw Ended{};
    }
    buffer_.append(piece.data(), static_cast<std::size_t>(got));
  }

  const int socket_;
  std::string buffer_;
};

namespace {

HttpRequest read_head(auto& connection) {
  HttpRequest request;
  const std::string line = connection.read_line();
  const std::size_t first = line.find(' ');
  const std::size_t second = line.rfind(' ');
  request.method = line.substr(0, first);
  request.target = line.substr(first + 1, second - first - 1);
  while (true) {
    const std::string header = connection.read_line();
    if (header.empty()) {
      return request;
    }
    const std::size_t colon = header.find(':');
    request.headers.emplace_back(lower(header.substr(0, colon)), trimmed(header.substr(colon + 1)));
  }
}

std::size_t body_size(const HttpRequest& request) {
  const std::string length = request.header("content-length");
  return length.empty() ? 0 : std::stoul(length);
}

/// Asks for the body, unless a fault strikes before or within it.
void begin_body(auto& connection, const HttpRequest& request, HttpFault fault) {
  if (fault == HttpFault::reset_before_body) {
    connection.reset();
  }
  if (fault == HttpFault::no_reading) {
    connection.wait_for_end();
  }
  if (request.has_header("expect")) {
    connection.send("HTTP/1.1 100 Continue\r\n\r\n");
  }
  if (fault == HttpFault::reset_in_body) {
    connection.read_bytes(body_size(request) / 2);
    connection.reset();
  }
}

void send_answer(auto& connection, const HttpRequest& request, const HttpAnswer& answer) {
  switch (answer.fault) {
    case HttpFault::reset_after_body:
      connection.reset();
    case HttpFault::close_after_body:
      throw Ended{};
    case HttpFault::silence:
      connection.wait_for_end();
    case HttpFault::garbage:
      connection.send("\x01\x02 no such protocol\r\n\r\n");
      throw Ended{};
    case HttpFault::none:
    case HttpFault::reset_before_body:
    case HttpFault::reset_in_body:
    case HttpFault::no_reading:
    case HttpFault::cut:
    case HttpFault::reset_in_answer:
    case HttpFault::stall:
    case HttpFault::drip:
      break;
  }
  const std::string body = answer.chunked ? chunked(answer.body) : answer.body;
  connection.send(head_of(answer));
  if (has_no_body(request, answer.status)) {
    return;
  }
  const std::string_view rest = std::string_view(body).substr(
      std::min(answer.fault == HttpFault::none ? body.size() : answer.fault_after, body.size()));
  connection.send(std::string_view(body).substr(0, body.size() - rest.size()));
  switch (answer.fault) {
    case HttpFault::reset_in_answer:
      connection.reset();
    case HttpFault::stall:
      connection.wait_for_end();
    case HttpFault::drip:
      connection.drip(rest);
    case HttpFault::cut:
      throw Ended{};
    case HttpFault::none:
    case HttpFault::reset_before_body:
    case HttpFault::reset_in_body:
    case HttpFault::reset_after_body:
    case HttpFault::close_after_body:
    case HttpFault::no_reading:
    case HttpFault::silence:
    case HttpFault::garbage:
      break;
  }
}

}  // namespace

std::string HttpRequest::query() const {
  const std::size_t question = target.find('?');
  return question == std::string::npos ? "" : target.substr(question + 1);
}

std::string HttpRequest::header(std::string_view name) const {
  const auto found =
      std::find_if(headers.begin(), headers.end(), [&](const auto& h) { return h.first == name; });
  return found == headers.end() ? "" : found->second;
}

bool HttpRequest::has_header(std::string_view name) const {
  return std::any_of(headers.begin(), headers.end(),
                     [&](const auto& header) { return header.first == name; });
}

HttpServer::HttpServer(std::vector<HttpAnswer> script) : script_(script.begin(), script.end()) {
  listen();
}

HttpServer::HttpServer(Handler handler, Interrupt interrupt)
    : handler_(std::move(handler)), interrupt_(std::move(interrupt)) {
  listen();
}

HttpServer::~HttpServer() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    ::shutdown(listening_, SHUT_RDWR);  // Wakes accept(2).
    for (const int socket : sockets_) {
      ::shutdown(socket, SHUT_RDWR);
    }
  }
  accepting_.join();
  threads_.clear();
  ::close(listening_);
}

void HttpServer::add(HttpAnswer answer) {
  const std::lock_guard lock(mutex_);
  script_.push_back(std::move(answer));
}

std::vector<HttpRequest> HttpServer::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

HttpRequest HttpServer::last_request() const {
  const std::lock_guard lock(mutex_);
  if (requests_.empty()) {
    throw std::runtime_error("there was no request");
  }
  return requests_.back();
}

std::size_t HttpServer::connections() const {
  const std::lock_guard lock(mutex_);
  return connections_;
}

bool HttpServer::wait_for_requests(std::size_t count) const {
  std::unique_lock lock(mutex_);
  return came_.wait_for(lock, kLimit, [&] { return requests_.size() >= count; });
}

void HttpServer::listen() {
  listening_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  check(listening_, "socket");
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  check(::bind(listening_, reinterpret_cast<sockaddr*>(&address), size), "bind");
  check(::listen(listening_, SOMAXCONN), "listen");
  check(::getsockname(listening_, reinterpret_cast<sockaddr*>(&address), &size), "getsockname");
  port_ = ::ntohs(address.sin_port);
  accepting_ = std::jthread([this] { accept_all(); });
}

void HttpServer::accept_all() {
  while (true) {
    const int socket = ::accept4(listening_, nullptr, nullptr, SOCK_CLOEXEC);
    const std::lock_guard lock(mutex_);
    if (socket < 0 || ending_) {
      if (socket >= 0) {
        ::close(socket);
      }
      return;
    }
    const int one = 1;
    ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    sockets_.insert(socket);
    const std::size_t number = connections_++;
    threads_.emplace_back([this, socket, number] { serve(socket, number); });
  }
}

void HttpServer::serve(int socket, std::size_t number) {
  Connection connection(socket);
  try {
    while (answer_one(connection, number)) {
    }
  } catch (const Ended&) {
  }
  forget(socket);
}

bool HttpServer::answer_one(Connection& connection, std::size_t number) {
  HttpRequest request = read_head(connection);
  request.connection = number;
  std::optional<HttpAnswer> plan = planned(request);
  const std::size_t index = note(request);
  begin_body(connection, request, plan ? plan->fault : HttpFault::none);
  request.body = connection.read_bytes(body_size(request));
  {
    const std::lock_guard lock(mutex_);
    requests_[index].body = request.body;
  }
  const HttpFault fault = plan ? plan->fault : HttpFault::none;
  HttpAnswer answer = handler_ ? answer_to(request) : *std::move(plan);
  if (fault != HttpFault::none) {
    answer.fault = fault;
  }
  send_answer(connection, request, answer);
  return !answer.close;
}

std::size_t HttpServer::note(const HttpRequest& head) {
  const std::lock_guard lock(mutex_);
  requests_.push_back(head);
  came_.notify_all();
  return requests_.size() - 1;
}

std::optional<HttpAnswer> HttpServer::planned(const HttpRequest& head) {
  if (handler_) {
    if (!interrupt_) {
      return std::nullopt;
    }
    const std::lock_guard lock(handling_);
    return HttpAnswer{.fault = interrupt_(head)};
  }
  const std::lock_guard lock(mutex_);
  if (script_.empty()) {
    return HttpAnswer{.status = 599, .body = "the script is over"};
  }
  HttpAnswer answer = std::move(script_.front());
  script_.pop_front();
  return answer;
}

HttpAnswer HttpServer::answer_to(const HttpRequest& request) {
  const std::lock_guard lock(handling_);
  return handler_(request);
}

void HttpServer::forget(int socket) {
  const std::lock_guard lock(mutex_);
  sockets_.erase(socket);
  ::close(socket);
}

}  // namespace keyrewind::test
