#include "http/server.h"

#include "base/error.h"
#include "base/log.h"
#include "flow/group.h"
#include "http/certificates.h"
#include "http/connections.h"
#include "http/due_queue.h"
#include "http/engine.h"
#include "http/listen.h"
#include "http/wakeup.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <mutex>
#include <utility>
#include <vector>

namespace keyrewind::http {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

/// Connections that are accepted before those that are there get their turn.
constexpr int kAcceptedAtOnce = 64;
/// How long nothing is accepted after the system had no descriptor left.
constexpr milliseconds kAcceptPause{200};
/// Threads for requests that are not quick.
constexpr int kWorkers = 2;
/// Of an IPv4 address in IPv6 clothes.
constexpr std::string_view kMapped = "::ffff:";

bool is_loopback(const std::string& address) {
  return address == "::1" || address.starts_with("127.");
}

Peer to_peer(const sockaddr_storage& address) {
  if (address.ss_family == AF_UNIX) {
    return {.is_local = true, .address = "unix"};
  }
  char text[INET6_ADDRSTRLEN] = {};
  const void* bytes =
      address.ss_family == AF_INET6
          ? static_cast<const void*>(&reinterpret_cast<const sockaddr_in6*>(&address)->sin6_addr)
          : static_cast<const void*>(&reinterpret_cast<const sockaddr_in*>(&address)->sin_addr);
  ::inet_ntop(address.ss_family, bytes, text, sizeof text);
  std::string name = text;
  if (name.starts_with(kMapped) && name.find('.') != std::string::npos) {
    name.erase(0, kMapped.size());
  }
  return {.is_local = is_loopback(name), .address = name};
}

/// poll's wait for a time that may be over; -1: for ever.
int to_poll(std::optional<milliseconds> wait) {
  return wait ? static_cast<int>(std::clamp<std::int64_t>(wait->count(), 0, 60'000)) : -1;
}

}  // namespace

const std::string& ServedRequest::header(std::string_view name) const noexcept {
  static const std::string none;
  const auto found =
      std::find_if(headers.begin(), headers.end(), [&](const auto& h) { return h.first == name; });
  return found == headers.end() ? none : found->second;
}

/// All but handling is done by the thread in `run`.
class Server::Work final : public EngineOwner {
 public:
  Work(ServerOptions options, Handler& handler)
      : options_(std::move(options)),
        handler_(handler),
        connections_(options_.max_connections, kMaxLocal) {
    if (!options_.listen.empty()) {
      tcp_ = listen_on(parse_listen_address(options_.listen));
      port_ = port_of(tcp_);
    }
    if (!options_.socket.empty()) {
      unix_.emplace(options_.socket);
    }
    plain_ = std::make_unique<Engine>(*this, nullptr, options_.max_connections);
    if (!options_.cert_file.empty()) {
      certificates_.emplace(options_.cert_file, options_.key_file);
      open_tls();
    }
  }

  std::optional<std::uint16_t> port() const noexcept { return port_; }
  std::size_t open_connections() const noexcept { return open_connections_; }

  void run(const std::stop_token& stop) {
    const std::stop_callback on_stop(stop, [this] { wakeup_.wake(); });
    {
      flow::Group workers(stop);
      workers.spawn("http-quick", [this](const std::stop_token& end) { quick_.work(end); });
      for (int i = 0; i < kWorkers; ++i) {
        workers.spawn("http-work", [this](const std::stop_token& end) { slow_.work(end); });
      }
      while (!stop.stop_requested()) {
        step();
      }
      workers.wait();
    }
    finish();
  }

 private:
  // What the engines ask.

  Connection* find_connection(int fd) override { return connections_.find(fd); }
  void connection_closed(int fd) override { connections_.remove(fd); }
  std::size_t max_body() const override { return options_.max_body; }
  ServedResponse refuse(int status) override { return handler_.refuse(status); }

  void set_phase(Connection& connection, Connection::Phase phase) override {
    const auto now = steady_clock::now();
    connection.phase = phase;
    switch (phase) {
      case Connection::Phase::head:
        connection.since = now;
        connection.deadline = now + options_.head_timeout;
        return;
      case Connection::Phase::body:
        connection.deadline = now + options_.body_timeout;
        return;
      case Connection::Phase::working:
        return;
      case Connection::Phase::sending:
        connection.since = now;
        connection.deadline = now + options_.send_timeout;
        return;
    }
  }

  void dispatch(Exchange& exchange) override {
    in_hand_.push_back(&exchange);
    DueQueue& queue = handler_.is_quick(exchange.request) ? quick_ : slow_;
    queue.push(steady_clock::now(), [this, &exchange] {
      handle([&] { return handler_.handle(exchange.request); }, exchange);
    });
  }

  // In a worker.

  template <typename Call>
  void handle(const Call& call, Exchange& exchange) {
    ServedResponse response;
    try {
      Answer answer = call();
      if (auto* later = std::get_if<Later>(&answer)) {
        slow_.push(later->when,
                   [this, &exchange, then = std::move(later->then)] { handle(then, exchange); });
        return;
      }
      response = std::move(std::get<ServedResponse>(answer));
    } catch (const std::exception& error) {
      log::error("request failed by a bug", {{"error", error.what()}});
      response = handler_.refuse(500);
    }
    {
      const std::lock_guard lock(mutex_);
      done_.emplace_back(&exchange, std::move(response));
    }
    wakeup_.wake();
  }

  // In the thread that serves.

  std::vector<Engine*> engines() const {
    std::vector<Engine*> all{plain_.get()};
    if (tls_) {
      all.push_back(tls_.get());
    }
    for (const auto& engine : retired_) {
      all.push_back(engine.get());
    }
    return all;
  }

  void step() {
    std::vector<pollfd> polled{{wakeup_.fd(), POLLIN, 0}};
    if (steady_clock::now() >= accept_again_) {
      add_listener(polled, tcp_);
      if (unix_) {
        add_listener(polled, unix_->fd());
      }
    }
    for (const Engine* engine : engines()) {
      polled.push_back({engine->fd(), POLLIN, 0});
    }
    ::poll(polled.data(), polled.size(), to_poll(wait_time()));
    wakeup_.clear();
    if (steady_clock::now() >= accept_again_) {
      accept_from(tcp_, true);
      if (unix_) {
        accept_from(unix_->fd(), false);
      }
    }
    send_done();
    for (Engine* engine : engines()) {
      engine->run();
    }
    connections_.shut_expired(steady_clock::now());
    drop_retired();
    count();
  }

  static void add_listener(std::vector<pollfd>& polled, const io::Fd& listener) {
    if (listener) {
      polled.push_back({listener.number(), POLLIN, 0});
    }
  }

  std::optional<milliseconds> wait_time() const {
    std::optional<milliseconds> wait;
    const auto at_most = [&](milliseconds time) { wait = std::min(wait.value_or(time), time); };
    const auto now = steady_clock::now();
    for (const Engine* engine : engines()) {
      if (const auto timeout = engine->timeout()) {
        at_most(*timeout);
      }
    }
    if (const auto deadline = connections_.next_deadline()) {
      at_most(std::chrono::ceil<milliseconds>(*deadline - now));
    }
    if (accept_again_ > now) {
      at_most(std::chrono::ceil<milliseconds>(accept_again_ - now));
    }
    return wait;
  }

  void accept_from(const io::Fd& listener, bool over_tcp) {
    for (int i = 0; listener && i < kAcceptedAtOnce; ++i) {
      sockaddr_storage address{};
      socklen_t size = sizeof address;
      io::Fd socket(::accept4(listener.number(), reinterpret_cast<sockaddr*>(&address), &size,
                              SOCK_CLOEXEC | SOCK_NONBLOCK));
      if (!socket) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
          accept_again_ = steady_clock::now() + kAcceptPause;
        }
        return;
      }
      address.ss_family = over_tcp ? address.ss_family : static_cast<sa_family_t>(AF_UNIX);
      take_in(std::move(socket), address, size, over_tcp);
    }
  }

  void take_in(io::Fd socket, const sockaddr_storage& address, socklen_t size, bool over_tcp) {
    if (!connections_.make_room(over_tcp)) {
      return;
    }
    const auto now = steady_clock::now();
    const int number = socket.number();
    connections_.add(number, to_peer(address), over_tcp, now, now + options_.head_timeout);
    if (over_tcp && certificates_ && certificates_->have_changed(now)) {
      replace_tls();
    }
    Engine& engine = over_tcp && tls_ ? *tls_ : *plain_;
    if (!engine.adopt(std::move(socket), reinterpret_cast<const sockaddr*>(&address), size)) {
      connections_.remove(number);
    }
  }

  void send_done() {
    std::vector<std::pair<Exchange*, ServedResponse>> done;
    {
      const std::lock_guard lock(mutex_);
      done.swap(done_);
    }
    for (auto& [exchange, response] : done) {
      answer(*exchange, std::move(response));
    }
  }

  void answer(Exchange& exchange, ServedResponse response) {
    std::erase(in_hand_, &exchange);
    exchange.response = std::move(response);
    Engine::answer(exchange);
  }

  void open_tls() {
    const TlsFiles files = certificates_->read();
    try {
      tls_ = std::make_unique<Engine>(*this, &files, options_.max_connections);
    } catch (Error& error) {
      error.add_context(fmt::format("http.tls, {} and {}", options_.cert_file.string(),
                                    options_.key_file.string()));
      throw;
    }
  }

  /// What came in with the old certificate is served to its end.
  void replace_tls() {
    auto old = std::move(tls_);
    try {
      open_tls();
      retired_.push_back(std::move(old));
      log::info("certificate reloaded", {{"file", options_.cert_file.string()}});
    } catch (const Error& error) {
      tls_ = std::move(old);
      log::error("certificate not reloaded; the old one stays", {{"error", error.what()}});
    }
  }

  void count() { open_connections_ = connections_.size(true) + connections_.size(false); }

  void drop_retired() {
    std::erase_if(retired_, [](const auto& engine) { return engine->is_idle(); });
  }

  /// Answers what is left, and gives it some time to be sent.
  void finish() {
    tcp_.close();
    unix_.reset();
    send_done();
    for (Exchange* exchange : std::vector(in_hand_)) {
      answer(*exchange, handler_.refuse(503));
    }
    const auto end = steady_clock::now() + options_.stop_patience;
    while (connections_.is_anything_sent() && steady_clock::now() < end) {
      for (Engine* engine : engines()) {
        engine->run();
      }
      std::vector<pollfd> polled;
      for (const Engine* engine : engines()) {
        polled.push_back({engine->fd(), POLLIN, 0});
      }
      const auto left = std::chrono::ceil<milliseconds>(end - steady_clock::now());
      ::poll(polled.data(), polled.size(), to_poll(std::min(wait_time().value_or(left), left)));
    }
    retired_.clear();
    tls_.reset();
    plain_.reset();
  }

  const ServerOptions options_;
  Handler& handler_;
  io::Fd tcp_;
  std::optional<std::uint16_t> port_;
  std::optional<UnixListener> unix_;
  std::optional<Certificates> certificates_;
  Wakeup wakeup_;
  Connections connections_;
  DueQueue quick_;
  DueQueue slow_;
  std::vector<Exchange*> in_hand_;  ///< Dispatched and not yet answered.
  steady_clock::time_point accept_again_{};
  std::atomic<std::size_t> open_connections_{0};

  std::mutex mutex_;
  std::vector<std::pair<Exchange*, ServedResponse>> done_;  ///< Guarded by `mutex_`.

  // Gone first: they call all that is above.
  std::unique_ptr<Engine> plain_;
  std::unique_ptr<Engine> tls_;  ///< With the newest certificate.
  std::vector<std::unique_ptr<Engine>> retired_;
};

Server::Server(ServerOptions options, Handler& handler)
    : work_(std::make_unique<Work>(std::move(options), handler)) {}
Server::~Server() = default;

std::optional<std::uint16_t> Server::port() const noexcept {
  return work_->port();
}

std::size_t Server::open_connections() const noexcept {
  return work_->open_connections();
}

void Server::run(std::stop_token stop) {
  work_->run(stop);
}

}  // namespace keyrewind::http
