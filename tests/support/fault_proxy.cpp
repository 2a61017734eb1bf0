#include "support/fault_proxy.h"

#include "base/error.h"

#include <arpa/inet.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <ctime>
#include <stdexcept>
#include <utility>

namespace keyrewind::test {
namespace {

constexpr int kPollMilliseconds = 50;
constexpr std::chrono::seconds kSkewAllowed{60};

/// Thrown when a connection is over, whoever ended it.
struct Ended {};

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

std::uint16_t port_of(const std::string& endpoint) {
  return static_cast<std::uint16_t>(std::stoi(endpoint.substr(endpoint.rfind(':') + 1)));
}

std::string lower(std::string text) {
  for (char& letter : text) {
    letter = letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter;
  }
  return text;
}

/// The value of a header in a message's head, whose name is given in lower case; empty if it is not
/// there.
std::string header_of(const std::string& head, const std::string& name) {
  const auto found = lower(head).find("\r\n" + name + ":");
  if (found == std::string::npos) {
    return {};
  }
  const auto begin = head.find_first_not_of(' ', found + name.size() + 3);
  return head.substr(begin, head.find("\r\n", begin) - begin);
}

void set_header(std::string& message, const std::string& name, const std::string& value) {
  const auto end_of_head = message.find("\r\n\r\n");
  const auto found = lower(message.substr(0, end_of_head)).find("\r\n" + lower(name) + ":");
  const std::string line = "\r\n" + name + ": " + value;
  if (found == std::string::npos) {
    message.insert(end_of_head, line);
  } else {
    message.replace(found, message.find("\r\n", found + 2) - found, line);
  }
}

std::string http_date(std::time_t seconds) {
  return fmt::format("{:%a, %d %b %Y %H:%M:%S} GMT", fmt::gmtime(seconds));
}

/// The time of a signature, "20261120T192409Z".
std::optional<std::time_t> time_of_signature(const std::string& text) {
  std::tm parts{};
  if (strptime(text.c_str(), "%Y%m%dT%H%M%SZ", &parts) == nullptr) {
    return std::nullopt;
  }
  return timegm(&parts);
}

bool has_parameter(const std::string& query, const std::string& name) {
  const std::string all = "&" + query;
  return all.find("&" + name + "=") != std::string::npos || all.ends_with("&" + name) ||
         all.find("&" + name + "&") != std::string::npos;
}

std::string operation_of(const std::string& method, const std::string& target,
                         const std::string& head) {
  const std::string path = target.substr(0, target.find('?'));
  const std::string query = path.size() == target.size() ? "" : target.substr(path.size() + 1);
  const bool on_object = path.find('/', 1) != std::string::npos && !path.ends_with('/');
  const auto has = [&query](const char* name) { return has_parameter(query, name); };
  if (!on_object) {
    if (method == "GET") {
      return has("uploads")     ? "ListMultipartUploads"
             : has("versions")  ? "ListObjectVersions"
             : has("list-type") ? "ListObjectsV2"
                                : "GetBucket";
    }
    return method == "POST" && has("delete") ? "DeleteObjects"
           : method == "HEAD"                ? "HeadBucket"
           : method == "PUT"                 ? "CreateBucket"
           : method == "DELETE"              ? "DeleteBucket"
                                             : "other";
  }
  if (method == "POST") {
    return has("uploads") ? "CreateMultipartUpload" : "CompleteMultipartUpload";
  }
  if (method == "PUT") {
    const bool copies = !header_of(head, "x-amz-copy-source").empty();
    return has("partNumber") ? (copies ? "UploadPartCopy" : "UploadPart")
           : copies          ? "CopyObject"
                             : "PutObject";
  }
  if (method == "GET") {
    return has("uploadId") ? "ListParts" : "GetObject";
  }
  if (method == "DELETE") {
    return has("uploadId") ? "AbortMultipartUpload" : "DeleteObject";
  }
  return method == "HEAD" ? "HeadObject" : "other";
}

bool is_one_of(const std::string& operation, std::initializer_list<const char*> names) {
  return std::ranges::find(names, operation) != names.end();
}

std::string error_xml(const std::string& code) {
  return fmt::format(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{0}</Code><Message>injected: {0}"
      "</Message><RequestId>injected</RequestId></Error>",
      code);
}

std::string error_answer(const S3Fault& fault, bool is_head) {
  const std::string body = error_xml(fault.code);
  const std::string retry =
      fault.retry_after ? fmt::format("Retry-After: {}\r\n", *fault.retry_after) : "";
  return fmt::format(
      "HTTP/1.1 {} Injected\r\nContent-Type: application/xml\r\nDate: {}\r\n{}Content-Length: "
      "{}\r\n\r\n{}",
      fault.status, http_date(std::time(nullptr)), retry, body.size(), is_head ? "" : body);
}

int status_of(const std::string& answer) {
  const auto space = answer.find(' ');
  return space == std::string::npos ? 0 : std::atoi(answer.c_str() + space);
}

/// How much of an answer is its head and the half of its body.
std::size_t half_of(const std::string& answer) {
  const std::size_t head = answer.find("\r\n\r\n") + 4;
  return head + (answer.size() - head) / 2;
}

bool has_body(const std::string& answer) {
  return answer.find("\r\n\r\n") + 4 < answer.size();
}

int connect_to(std::uint16_t port) {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = loopback(port);
  if (::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    ::close(socket);
    throw Ended{};
  }
  const int yes = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  return socket;
}

const char* word(S3Fault::Kind kind) {
  switch (kind) {
    case S3Fault::Kind::refused:
      return "refused";
    case S3Fault::Kind::refused_late:
      return "refused_late";
    case S3Fault::Kind::reset_before_body:
      return "reset_before_body";
    case S3Fault::Kind::reset_in_body:
      return "reset_in_body";
    case S3Fault::Kind::reset_after_body:
      return "reset_after_body";
    case S3Fault::Kind::reset_before_answer:
      return "reset_before_answer";
    case S3Fault::Kind::reset_in_answer:
      return "reset_in_answer";
    case S3Fault::Kind::truncated_answer:
      return "truncated_answer";
    case S3Fault::Kind::error_in_success:
      return "error_in_success";
    case S3Fault::Kind::hang:
      return "hang";
    case S3Fault::Kind::hang_in_answer:
      return "hang_in_answer";
    case S3Fault::Kind::wrong_etag:
      return "wrong_etag";
    case S3Fault::Kind::wrong_byte:
      return "wrong_byte";
  }
  return "unknown";
}

}  // namespace

struct FaultProxy::Request {
  std::string head;  ///< As sent, with the empty line.
  std::string body;  ///< As sent: if it is chunked, with the sizes.
  std::string method;
  std::string target;
  std::string operation;

  /// Whether the fault can happen to it, as far as the request shows.
  bool may_meet(const S3Fault& fault) const {
    if (fault.code == "RequestTimeout") {
      return may_meet(S3Fault::Kind::reset_in_body);
    }
    return may_meet(fault.kind);
  }

  bool may_meet(S3Fault::Kind kind) const {
    switch (kind) {
      case S3Fault::Kind::reset_in_body:
        return header_of(head, "content-length") != "0" && (method == "PUT" || method == "POST");
      case S3Fault::Kind::error_in_success:
        return is_one_of(operation, {"CompleteMultipartUpload", "CopyObject", "UploadPartCopy"});
      case S3Fault::Kind::wrong_etag:
        return is_one_of(operation, {"PutObject", "UploadPart"});
      case S3Fault::Kind::reset_in_answer:
      case S3Fault::Kind::truncated_answer:
      case S3Fault::Kind::hang_in_answer:
        return method == "GET" || method == "POST";
      case S3Fault::Kind::wrong_byte:
        return operation == "GetObject";
      case S3Fault::Kind::refused:
      case S3Fault::Kind::refused_late:
      case S3Fault::Kind::reset_before_body:
      case S3Fault::Kind::reset_after_body:
      case S3Fault::Kind::reset_before_answer:
      case S3Fault::Kind::hang:
        return true;
    }
    return true;
  }
};

/// One end of a connection, with what was read from it too far.
class FaultProxy::Connection {
 public:
  explicit Connection(int socket) : socket_(socket) {}

  /// A message's head with the empty line behind it.
  std::string read_head() {
    std::size_t end = 0;
    while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) {
      fill();
    }
    return take(end + 4);
  }

  std::string read_bytes(std::size_t count) {
    buffer_.reserve(count);
    while (buffer_.size() < count) {
      fill();
    }
    return take(count);
  }

  /// All chunks up to the last with its trailers, as sent.
  std::string read_chunks() {
    std::string all;
    for (;;) {
      const std::string line = read_line();
      const std::size_t size = std::stoul(line, nullptr, 16);
      all += line;
      if (size == 0) {
        break;
      }
      all += read_bytes(size + 2);
    }
    std::string line;
    do {
      line = read_line();
      all += line;
    } while (line != "\r\n");
    return all;
  }

  std::string read_to_end() {
    try {
      for (;;) {
        fill();
      }
    } catch (const Ended&) {
      return take(buffer_.size());
    }
  }

  /// The body that `head` announces, as sent.
  std::string read_body(const std::string& head, bool may_go_to_end) {
    if (lower(header_of(head, "transfer-encoding")) == "chunked") {
      return read_chunks();
    }
    const std::string length = header_of(head, "content-length");
    if (!length.empty()) {
      return read_bytes(std::stoul(length));
    }
    return may_go_to_end ? read_to_end() : "";
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

  /// Does nothing until the peer or the proxy hangs up.
  [[noreturn]] void wait_for_end() const {
    pollfd watched{socket_, POLLRDHUP, 0};
    ::poll(&watched, 1, -1);
    throw Ended{};
  }

 private:
  std::string read_line() {
    std::size_t end = 0;
    while ((end = buffer_.find("\r\n")) == std::string::npos) {
      fill();
    }
    return take(end + 2);
  }

  std::string take(std::size_t count) {
    std::string bytes = buffer_.substr(0, count);
    buffer_.erase(0, count);
    return bytes;
  }

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

std::string S3Fault::name() const {
  if (kind == Kind::refused || kind == Kind::refused_late) {
    return fmt::format("{} {}{}{}", status, code, kind == Kind::refused ? "" : " late",
                       retry_after ? fmt::format(" retry_after={}", *retry_after) : "");
  }
  return word(kind);
}

std::vector<S3Fault> passing_faults() {
  using enum S3Fault::Kind;
  return {
      {.kind = refused, .status = 500, .code = "InternalError"},
      {.kind = refused_late, .status = 500, .code = "InternalError"},
      {.kind = refused, .status = 503, .code = "SlowDown"},
      {.kind = refused, .status = 503, .code = "SlowDown", .retry_after = 1},
      {.kind = refused, .status = 503, .code = "ServiceUnavailable"},
      {.kind = refused, .status = 409, .code = "OperationAborted"},
      {.kind = refused, .status = 400, .code = "RequestTimeout"},
      {.kind = reset_before_body},
      {.kind = reset_in_body},
      {.kind = reset_after_body},
      {.kind = reset_before_answer},
      {.kind = reset_in_answer},
      {.kind = truncated_answer},
      {.kind = error_in_success},
      {.kind = hang},
      {.kind = hang_in_answer},
      {.kind = wrong_etag},
  };
}

FaultProxy::FaultProxy(const std::string& server, std::uint64_t seed)
    : server_port_(port_of(server)), random_(static_cast<std::minstd_rand::result_type>(seed + 1)) {
  listening_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  if (::bind(listening_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      ::listen(listening_, SOMAXCONN) != 0 ||
      ::getsockname(listening_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    throw std::runtime_error("the proxy cannot listen: " + errno_text(errno));
  }
  port_ = ntohs(address.sin_port);
  accepting_ = std::jthread([this](const std::stop_token& stop) { accept_all(stop); });
}

FaultProxy::~FaultProxy() {
  accepting_.request_stop();
  accepting_.join();
  {
    const std::scoped_lock lock(mutex_);
    ending_ = true;
    for (const int socket : sockets_) {
      ::shutdown(socket, SHUT_RDWR);
    }
  }
  threads_.clear();
  ::close(listening_);
}

void FaultProxy::inject(S3Fault fault, S3FaultRule rule) {
  inject_any({std::move(fault)}, std::move(rule));
}

void FaultProxy::inject_any(std::vector<S3Fault> faults, S3FaultRule rule) {
  const std::scoped_lock lock(mutex_);
  rules_.push_back({.when = std::move(rule), .faults = std::move(faults)});
}

void FaultProxy::clear() {
  const std::scoped_lock lock(mutex_);
  rules_.clear();
}

void FaultProxy::set_clock_ahead(std::chrono::seconds ahead) {
  const std::scoped_lock lock(mutex_);
  ahead_ = ahead;
  skewed_ = true;
}

std::size_t FaultProxy::requests(std::string_view operation) const {
  const std::scoped_lock lock(mutex_);
  return static_cast<std::size_t>(std::ranges::count_if(
      notes_, [&](const Note& note) { return operation.empty() || note.operation == operation; }));
}

std::size_t FaultProxy::faults(std::string_view operation) const {
  const std::scoped_lock lock(mutex_);
  return static_cast<std::size_t>(std::ranges::count_if(notes_, [&](const Note& note) {
    return !note.fault.empty() && (operation.empty() || note.operation == operation);
  }));
}

std::map<std::string, std::size_t> FaultProxy::faults_by_name() const {
  const std::scoped_lock lock(mutex_);
  std::map<std::string, std::size_t> counts;
  for (const Note& note : notes_) {
    if (!note.fault.empty()) {
      ++counts[note.fault];
    }
  }
  return counts;
}

std::string FaultProxy::story() const {
  const std::scoped_lock lock(mutex_);
  std::string text;
  for (const Note& note : notes_) {
    text += fmt::format("{} {} {} {}\n", note.operation, note.target, note.status, note.fault);
  }
  return text;
}

void FaultProxy::accept_all(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    pollfd ready{listening_, POLLIN, 0};
    if (::poll(&ready, 1, kPollMilliseconds) != 1) {
      continue;
    }
    const int socket = ::accept4(listening_, nullptr, nullptr, SOCK_CLOEXEC);
    if (socket >= 0) {
      const int yes = 1;
      ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
      threads_.emplace_back([this, socket] { serve(socket); });
    }
  }
}

void FaultProxy::serve(int socket) {
  if (keep(socket)) {
    Connection client(socket);
    try {
      while (serve_one(client)) {
      }
    } catch (const Ended&) {
      // Ended as it should: by a fault, or by whoever asked.
    }
  }
  forget(socket);
}

/// Returns whether the connection may be used on.
bool FaultProxy::serve_one(Connection& client) {
  Request request;
  request.head = client.read_head();
  const auto first = request.head.find(' ');
  const auto second = request.head.find(' ', first + 1);
  request.method = request.head.substr(0, first);
  request.target = request.head.substr(first + 1, second - first - 1);
  request.operation = operation_of(request.method, request.target, request.head);
  const auto fault = fault_for(request);
  const std::size_t number = note(request, fault);
  if (fault && fault->kind == S3Fault::Kind::reset_before_body) {
    client.reset();
  }
  if (!header_of(request.head, "expect").empty()) {
    client.send("HTTP/1.1 100 Continue\r\n\r\n");
  }
  if (fault && fault->kind == S3Fault::Kind::reset_in_body) {
    const std::string length = header_of(request.head, "content-length");
    client.read_bytes(length.empty() ? 1 : std::stoul(length) / 2);
    client.reset();
  }
  request.body = client.read_body(request.head, false);
  if (fault) {
    return answer(client, request, *fault, number);
  }
  std::string reply;
  if (auto refusal = skew_refusal(request)) {
    reply = std::move(*refusal);
  } else {
    reply = with_date(ask_server(request));
  }
  {
    const std::scoped_lock lock(mutex_);
    notes_[number].status = status_of(reply);
  }
  client.send(reply);
  return lower(header_of(reply, "connection")) != "close";
}

/// The faults that strike once the whole request is there. Returns whether the connection lives on.
bool FaultProxy::answer(Connection& client, const Request& request, const S3Fault& fault,
                        std::size_t note) {
  using enum S3Fault::Kind;
  const bool is_head = request.method == "HEAD";
  if (fault.kind == refused) {
    client.send(with_date(error_answer(fault, is_head)));
    return true;
  }
  if (fault.kind == reset_after_body) {
    client.reset();
  }
  if (fault.kind == hang) {
    client.wait_for_end();
  }
  if (fault.kind == error_in_success) {
    S3Fault success = fault;
    success.status = 200;
    client.send(with_date(error_answer(success, false)));
    return true;
  }
  std::string reply = with_date(ask_server(request));
  {
    const std::scoped_lock lock(mutex_);
    notes_[note].status = status_of(reply);
  }
  if (fault.kind == refused_late) {
    client.send(with_date(error_answer(fault, is_head)));
    return true;
  }
  if (fault.kind == reset_before_answer) {
    client.reset();
  }
  if (fault.kind == wrong_etag && status_of(reply) == 200) {
    set_header(reply, "ETag", "\"00000000000000000000000000000000\"");
  }
  if (fault.kind == wrong_byte && has_body(reply) && !is_head) {
    reply[half_of(reply)] = static_cast<char>(reply[half_of(reply)] ^ 1);
  }
  const bool in_answer = fault.kind == reset_in_answer || fault.kind == truncated_answer ||
                         fault.kind == hang_in_answer;
  if (!in_answer) {
    client.send(reply);
    return true;
  }
  client.send(std::string_view(reply).substr(0, half_of(reply)));
  if (fault.kind == reset_in_answer) {
    client.reset();
  }
  if (fault.kind == hang_in_answer) {
    client.wait_for_end();
  }
  return false;
}

std::optional<S3Fault> FaultProxy::fault_for(const Request& request) {
  const std::scoped_lock lock(mutex_);
  std::uniform_real_distribution<double> chance(0, 1);
  for (Rule& rule : rules_) {
    const S3FaultRule& when = rule.when;
    std::vector<S3Fault> possible;
    std::ranges::copy_if(rule.faults, std::back_inserter(possible),
                         [&](const S3Fault& fault) { return request.may_meet(fault); });
    const std::string path = request.target.substr(0, request.target.find('?'));
    if (possible.empty() || (!when.operation.empty() && when.operation != request.operation) ||
        path.find(when.path_part) == std::string::npos) {
      continue;
    }
    const std::size_t number = rule.met++;
    if (number < when.skip || (number - when.skip) % when.every != 0 || rule.struck >= when.times ||
        (when.probability < 1 && chance(random_) >= when.probability)) {
      continue;
    }
    ++rule.struck;
    std::uniform_int_distribution<std::size_t> pick(0, possible.size() - 1);
    return possible.size() == 1 ? possible.front() : possible[pick(random_)];
  }
  return std::nullopt;
}

std::size_t FaultProxy::note(const Request& request, const std::optional<S3Fault>& fault) {
  const std::scoped_lock lock(mutex_);
  notes_.push_back({.operation = request.operation,
                    .target = request.target,
                    .fault = fault ? fault->name() : ""});
  return notes_.size() - 1;
}

/// The server's whole answer. A connection for each request: one that was used before might end
/// just now, and nobody could tell whether the request was carried out.
std::string FaultProxy::ask_server(const Request& request) {
  const int socket = connect_to(server_port_);
  struct Guard {
    FaultProxy& proxy;
    int socket;
    ~Guard() { proxy.forget(socket); }
  } guard{*this, socket};
  if (!keep(socket)) {
    throw Ended{};
  }
  Connection server(socket);
  server.send(request.head);
  server.send(request.body);
  std::string head = server.read_head();
  while (status_of(head) / 100 == 1) {
    head = server.read_head();
  }
  const int status = status_of(head);
  const bool no_body = request.method == "HEAD" || status == 204 || status == 304;
  return head + (no_body ? "" : server.read_body(head, true));
}

std::optional<std::string> FaultProxy::skew_refusal(const Request& request) {
  {
    const std::scoped_lock lock(mutex_);
    const auto signed_at = time_of_signature(header_of(request.head, "x-amz-date"));
    const std::time_t now = std::time(nullptr) + ahead_.count();
    if (!skewed_ || !signed_at || std::abs(*signed_at - now) <= kSkewAllowed.count()) {
      return std::nullopt;
    }
  }
  return with_date(
      error_answer({.status = 403, .code = "RequestTimeTooSkewed"}, request.method == "HEAD"));
}

std::string FaultProxy::with_date(std::string answer) {
  const std::scoped_lock lock(mutex_);
  if (skewed_) {
    set_header(answer, "Date", http_date(std::time(nullptr) + ahead_.count()));
  }
  return answer;
}

/// Remembers an open socket, to end what it does when the proxy ends. Returns false if it ends now.
bool FaultProxy::keep(int socket) {
  const std::scoped_lock lock(mutex_);
  sockets_.insert(socket);
  return !ending_;
}

void FaultProxy::forget(int socket) {
  const std::scoped_lock lock(mutex_);
  sockets_.erase(socket);
  ::close(socket);
}

}  // namespace keyrewind::test
