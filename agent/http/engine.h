#pragma once

#include "http/connections.h"
#include "http/serving.h"
#include "io/fd.h"

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>

struct MHD_Connection;
struct MHD_Daemon;
struct sockaddr;

namespace keyrewind::http {

/// One request as it arrives, from its first line until its answer has been sent.
struct Exchange {
  ServedRequest request;
  Connection* connection = nullptr;
  MHD_Connection* handle = nullptr;
  bool is_valid = false;       ///< Its target is one.
  bool has_head = false;       ///< All headers have been read.
  std::size_t body_bytes = 0;  ///< That came, kept or not.
  bool is_dispatched = false;
  std::optional<ServedResponse> response{};
};

/// What an engine asks of its server, in the thread that runs the engine.
class EngineOwner {
 public:
  virtual ~EngineOwner() = default;

  virtual Connection* find_connection(int fd) = 0;
  virtual void connection_closed(int fd) = 0;
  virtual void set_phase(Connection& connection, Connection::Phase phase) = 0;
  virtual std::size_t max_body() const = 0;
  /// What a request is refused with that never comes to the handler.
  virtual ServedResponse refuse(int status) = 0;
  /// A request is whole. The exchange stays as it is until `Engine::answer`.
  virtual void dispatch(Exchange& exchange) = 0;
};

/// Certificate chain and private key, PEM.
struct TlsFiles {
  std::string certificate;
  std::string key;
};

/// libmicrohttpd, driven from outside: it reads requests from connections that it is given, and
/// writes answers. For one thread.
class Engine {
 public:
  /// Over TLS if there are files. `owner` must outlive it. Throws Error(config) if they can't be
  /// used.
  Engine(EngineOwner& owner, const TlsFiles* tls, std::size_t max_connections);
  /// All exchanges must have been answered.
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  /// Takes over a connected socket; it is closed whatever happens. False if it could not be taken.
  bool adopt(io::Fd socket, const sockaddr* address, unsigned int size);

  /// Sends the response that the exchange has by now.
  static void answer(Exchange& exchange);

  /// Does what can be done without waiting.
  void run();

  /// Whether it has no connection any more.
  bool is_idle() const;

  /// Becomes readable when there is something to do.
  int fd() const noexcept { return fd_; }
  /// When there is something to do even if `fd` isn't readable; nothing: never.
  std::optional<std::chrono::milliseconds> timeout() const;

 private:
  struct Callbacks;
  struct Stop {
    void operator()(MHD_Daemon* daemon) const noexcept;
  };

  EngineOwner& owner_;
  std::size_t adopted_ = 0;  ///< Connections that it has.
  std::unique_ptr<MHD_Daemon, Stop> daemon_;
  int fd_ = -1;
};

}  // namespace keyrewind::http
