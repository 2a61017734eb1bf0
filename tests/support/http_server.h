#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace keyrewind::test {

/// A request as it came over the wire.
struct HttpRequest {
  std::string method;
  std::string target;                                          ///< Path and query, as sent.
  std::vector<std::pair<std::string, std::string>> headers{};  ///< Names in lower case.
  std::string body;
  std::size_t connection = 0;  ///< Counted from 0: shows whether one was used again.

  std::string path() const { return target.substr(0, target.find('?')); }

  /// What stands after the '?', as sent.
  std::string query() const;

  /// The header of that name (in lower case), or an empty text.
  std::string header(std::string_view name) const;

  bool has_header(std::string_view name) const;
};

/// What goes wrong with an exchange.
enum class HttpFault {
  none,
  reset_before_body,  ///< A reset once the head of the request is read.
  reset_in_body,      ///< A reset once half of the request's body is read.
  reset_after_body,   ///< A reset instead of an answer.
  close_after_body,   ///< An orderly end instead of an answer.
  cut,                ///< The answer ends after `fault_after` bytes of its body.
  reset_in_answer,    ///< A reset after `fault_after` bytes of the answer's body.
  no_reading,         ///< The request's body is never read, nothing is answered.
  silence,            ///< The request is read, nothing is answered.
  stall,              ///< Nothing more after `fault_after` bytes of the answer's body.
  drip,               ///< A byte every 20 ms after `fault_after` bytes of the answer's body.
  garbage,            ///< Bytes that are no HTTP, then the end.
};

struct HttpAnswer {
  int status = 200;
  std::string body = {};
  std::vector<std::pair<std::string, std::string>> headers = {};
  HttpFault fault = HttpFault::none;
  std::size_t fault_after = 0;
  std::optional<std::uint64_t> content_length = {};  ///< What is said instead of the truth.
  bool chunked = false;                              ///< Chunked, without a length.
  bool close = false;                                ///< Hang up afterwards.
};

/// An HTTP/1.1 server on a port of the loopback, in this process, that answers as it is told and
/// remembers what it was asked.
class HttpServer {
 public:
  using Handler = std::function<HttpAnswer(const HttpRequest& request)>;
  using Interrupt = std::function<HttpFault(const HttpRequest& head)>;

  /// Answers request after request with `script`, over however many connections they come; whoever
  /// asks more than that gets 599.
  explicit HttpServer(std::vector<HttpAnswer> script = {});

  /// Answers with what `handler` returns, which is called for one request at a time. `interrupt` is
  /// asked when the head of a request is read, for faults in the midst of it.
  explicit HttpServer(Handler handler, Interrupt interrupt = {});
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  std::uint16_t port() const noexcept { return port_; }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }

  /// Appends to the script.
  void add(HttpAnswer answer);

  /// All requests whose heads came so far, in order.
  std::vector<HttpRequest> requests() const;

  /// The last of them; throws std::runtime_error if there is none.
  HttpRequest last_request() const;

  std::size_t connections() const;

  /// Waits until so many requests have come. Returns whether they did within 20 s.
  bool wait_for_requests(std::size_t count) const;

 private:
  class Connection;

  void listen();
  void accept_all();
  void serve(int socket, std::size_t number);
  bool answer_one(Connection& connection, std::size_t number);
  std::size_t note(const HttpRequest& head);
  std::optional<HttpAnswer> planned(const HttpRequest& head);
  HttpAnswer answer_to(const HttpRequest& request);
  void forget(int socket);

  Handler handler_;
  Interrupt interrupt_;
  std::uint16_t port_ = 0;
  int listening_ = -1;
  std::mutex handling_;       ///< Held while `handler_` or `interrupt_` runs.
  mutable std::mutex mutex_;  ///< Guards what follows.
  mutable std::condition_variable came_;
  std::deque<HttpAnswer> script_;
  std::vector<HttpRequest> requests_;
  std::set<int> sockets_;
  std::size_t connections_ = 0;
  bool ending_ = false;
  std::list<std::jthread> threads_;
  std::jthread accepting_;
};

}  // namespace keyrewind::test
