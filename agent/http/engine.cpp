#include "http/engine.h"

#include "base/error.h"

#include <microhttpd.h>
#include <sys/socket.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace keyrewind::http {
namespace {

/// What a connection may use for the head of a request and of its answer.
constexpr std::size_t kConnectionMemory = 16U << 10U;
/// No client needs anything older than TLS 1.2.
constexpr const char* kTlsVersions = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2";
/// A body without a length is read this much beyond the bound, to be able to say that it is too
/// large; then the connection ends.
constexpr std::size_t kMostIgnored = 1U << 20U;

constexpr int kBadRequest = 400;
constexpr int kTooLarge = 413;

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(), [](char letter) {
    return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter + ('a' - 'A')) : letter;
  });
  return result;
}

MHD_Result keep_header(void* exchange, MHD_ValueKind, const char* name, const char* value) {
  static_cast<Exchange*>(exchange)->request.headers.emplace_back(lower(name),
                                                                 value == nullptr ? "" : value);
  return MHD_YES;
}

std::size_t count_headers(const ServedRequest& request, std::string_view name) {
  return static_cast<std::size_t>(
      std::count_if(request.headers.begin(), request.headers.end(),
                    [&](const auto& header) { return header.first == name; }));
}

std::optional<std::uint64_t> parse_length(const std::string& text) {
  std::uint64_t length = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), length);
  return failure == std::errc() && end == text.data() + text.size() ? std::optional(length)
                                                                    : std::nullopt;
}

/// The status with which the head of a request is refused, or 0.
int check_head(const Exchange& exchange, std::size_t max_body) {
  const ServedRequest& request = exchange.request;
  const std::size_t lengths = count_headers(request, "content-length");
  // Two ways to say how long the body is mean two requests to two readers.
  if (!exchange.is_valid || lengths > 1 ||
      (lengths == 1 && count_headers(request, "transfer-encoding") > 0)) {
    return kBadRequest;
  }
  if (lengths == 1) {
    const auto length = parse_length(request.header("content-length"));
    if (!length) {
      return kBadRequest;
    }
    return *length > max_body ? kTooLarge : 0;
  }
  return 0;
}

struct FreeResponse {
  void operator()(MHD_Response* response) const noexcept { MHD_destroy_response(response); }
};

void free_body(void* body) {
  delete static_cast<std::string*>(body);
}

std::unique_ptr<MHD_Response, FreeResponse> to_microhttpd(ServedResponse response) {
  auto body = std::make_unique<std::string>(std::move(response.body));
  std::unique_ptr<MHD_Response, FreeResponse> made(
      MHD_create_response_from_buffer_with_free_callback_cls(body->size(), body->data(), &free_body,
                                                             body.get()));
  if (!made) {
    throw std::bad_alloc();
  }
  static_cast<void>(body.release());
  for (const auto& [name, value] : response.headers) {
    MHD_add_response_header(made.get(), name.c_str(), value.c_str());
  }
  return made;
}

}  // namespace

struct Engine::Callbacks {
  /// Called with the first line of a request; what it returns is what the others get of it.
  static void* first_line(void* engine, const char* target, MHD_Connection* handle) {
    try {
      auto exchange = std::make_unique<Exchange>();
      exchange->handle = handle;
      exchange->connection = static_cast<Engine*>(engine)->owner_.find_connection(fd_of(handle));
      exchange->request.raw_target = target;
      if (auto parsed = parse_request_target(target)) {
        exchange->request.target = std::move(*parsed);
        exchange->is_valid = true;
      }
      return exchange.release();
    } catch (...) {
      return nullptr;
    }
  }

  /// Called when the head is there, for each piece of body, at the end, and once more when there is
  /// a response.
  static MHD_Result request(void* engine, MHD_Connection* handle, const char*, const char* method,
                            const char*, const char* piece, std::size_t* bytes, void** state) {
    auto* exchange = static_cast<Exchange*>(*state);
    if (exchange == nullptr || exchange->connection == nullptr) {
      return MHD_NO;
    }
    try {
      return proceed(static_cast<Engine*>(engine)->owner_, *exchange, handle, method, piece,
                     *bytes);
    } catch (...) {
      return MHD_NO;
    }
  }

  static MHD_Result proceed(EngineOwner& owner, Exchange& exchange, MHD_Connection* handle,
                            const char* method, const char* piece, std::size_t& bytes) {
    if (!exchange.has_head) {
      exchange.has_head = true;
      exchange.request.method = method;
      exchange.request.peer = exchange.connection->peer;
      MHD_get_connection_values(handle, MHD_HEADER_KIND, &keep_header, &exchange);
      if (const int status = check_head(exchange, owner.max_body()); status != 0) {
        return refuse(owner, exchange, status);
      }
      owner.set_phase(*exchange.connection, Connection::Phase::body);
      return MHD_YES;
    }
    if (bytes > 0) {
      exchange.body_bytes += bytes;
      if (exchange.body_bytes > owner.max_body() + kMostIgnored) {
        return MHD_NO;
      }
      if (exchange.body_bytes <= owner.max_body()) {
        exchange.request.body.append(piece, bytes);
      }
      bytes = 0;
      return MHD_YES;
    }
    if (exchange.response) {
      return send(owner, exchange);
    }
    if (exchange.body_bytes > owner.max_body()) {
      return refuse(owner, exchange, kTooLarge);
    }
    if (!exchange.is_dispatched) {
      exchange.is_dispatched = true;
      owner.set_phase(*exchange.connection, Connection::Phase::working);
      MHD_suspend_connection(handle);
      owner.dispatch(exchange);
    }
    return MHD_YES;
  }

  /// Refuses without reading any further.
  static MHD_Result refuse(EngineOwner& owner, Exchange& exchange, int status) {
    exchange.response = owner.refuse(status);
    exchange.response->headers.emplace_back("Connection", "close");
    return send(owner, exchange);
  }

  static MHD_Result send(EngineOwner& owner, Exchange& exchange) {
    owner.set_phase(*exchange.connection, Connection::Phase::sending);
    const auto status = static_cast<unsigned int>(exchange.response->status);
    const auto response = to_microhttpd(std::move(*exchange.response));
    return MHD_queue_response(exchange.handle, status, response.get());
  }

  /// The answer was sent, or the connection ended before.
  static void completed(void* engine, MHD_Connection*, void** state, MHD_RequestTerminationCode) {
    const std::unique_ptr<Exchange> exchange(static_cast<Exchange*>(*state));
    *state = nullptr;
    if (exchange && exchange->connection != nullptr) {
      static_cast<Engine*>(engine)->owner_.set_phase(*exchange->connection,
                                                     Connection::Phase::head);
    }
  }

  static void connection(void* engine, MHD_Connection* handle, void**,
                         MHD_ConnectionNotificationCode code) {
    EngineOwner& owner = static_cast<Engine*>(engine)->owner_;
    const int fd = fd_of(handle);
    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
      --static_cast<Engine*>(engine)->adopted_;
      owner.connection_closed(fd);
    } else if (Connection* known = owner.find_connection(fd)) {
      known->adopted = true;
    }
  }

  /// We decode ourselves, strictly.
  static std::size_t leave_escapes(void*, MHD_Connection*, char* text) {
    return std::string_view(text).size();
  }

  static int fd_of(MHD_Connection* handle) {
    const auto* info = MHD_get_connection_info(handle, MHD_CONNECTION_INFO_CONNECTION_FD);
    return info == nullptr ? -1 : info->connect_fd;
  }
};

void Engine::Stop::operator()(MHD_Daemon* daemon) const noexcept {
  MHD_stop_daemon(daemon);
}

Engine::Engine(EngineOwner& owner, const TlsFiles* tls, std::size_t max_connections)
    : owner_(owner) {
  const auto as_value = [](auto* function) { return reinterpret_cast<std::intptr_t>(function); };
  std::vector<MHD_OptionItem> options = {
      // Ours is the bound: this one is never reached.
      {MHD_OPTION_CONNECTION_LIMIT, static_cast<std::intptr_t>(2 * max_connections + 1024),
       nullptr},
      {MHD_OPTION_CONNECTION_MEMORY_LIMIT, kConnectionMemory, nullptr},
      {MHD_OPTION_CONNECTION_TIMEOUT, 0, nullptr},
      {MHD_OPTION_STRICT_FOR_CLIENT, 1, nullptr},
      {MHD_OPTION_URI_LOG_CALLBACK, as_value(&Callbacks::first_line), this},
      {MHD_OPTION_UNESCAPE_CALLBACK, as_value(&Callbacks::leave_escapes), nullptr},
      {MHD_OPTION_NOTIFY_COMPLETED, as_value(&Callbacks::completed), this},
      {MHD_OPTION_NOTIFY_CONNECTION, as_value(&Callbacks::connection), this},
  };
  std::vector<std::string> texts;
  unsigned int flags = MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME;
  if (tls != nullptr) {
    flags |= MHD_USE_TLS;
    texts = {tls->certificate, tls->key, kTlsVersions};
    options.push_back({MHD_OPTION_HTTPS_MEM_CERT, 0, texts[0].data()});
    options.push_back({MHD_OPTION_HTTPS_MEM_KEY, 0, texts[1].data()});
    options.push_back({MHD_OPTION_HTTPS_PRIORITIES, 0, texts[2].data()});
  }
  options.push_back({MHD_OPTION_END, 0, nullptr});
  daemon_.reset(MHD_start_daemon(flags, 0, nullptr, nullptr, &Callbacks::request, this,
                                 MHD_OPTION_ARRAY, options.data(), MHD_OPTION_END));
  if (!daemon_) {
    throw tls == nullptr
        ? Error(ErrorKind::failed, "the HTTP server can't be started")
        : Error(ErrorKind::config,
                "certificate and key can't be used together; both must be PEM, the key not "
                "encrypted and that of the first certificate");
  }
  const auto* info = MHD_get_daemon_info(daemon_.get(), MHD_DAEMON_INFO_EPOLL_FD);
  fd_ = info == nullptr ? -1 : info->epoll_fd;
}

Engine::~Engine() = default;

bool Engine::adopt(io::Fd socket, const sockaddr* address, unsigned int size) {
  if (MHD_add_connection(daemon_.get(), socket.release(), address, size) != MHD_YES) {
    return false;
  }
  ++adopted_;
  return true;
}

void Engine::answer(Exchange& exchange) {
  MHD_resume_connection(exchange.handle);
}

bool Engine::is_idle() const {
  return adopted_ == 0;
}

void Engine::run() {
  MHD_run(daemon_.get());
}

std::optional<std::chrono::milliseconds> Engine::timeout() const {
  MHD_UNSIGNED_LONG_LONG milliseconds = 0;
  if (MHD_get_timeout(daemon_.get(), &milliseconds) != MHD_YES) {
    return std::nullopt;
  }
  return std::chrono::milliseconds(milliseconds);
}

}  // namespace keyrewind::http
