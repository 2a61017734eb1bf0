#include "replica/connection.h"

#include "replica/info_text.h"
#include "resp/command.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <span>

namespace keyrewind::replica {

namespace {

constexpr std::size_t kExcerptBytes = 32;

/// Enough of what was sent first to find the password in it, should the peer echo us.
constexpr std::size_t kFirstBytes = 1024;

/// The first byte of a TLS record that carries an alert (RFC 8446, section 5.1).
constexpr char kTlsAlert = 0x15;

/// What a Valkey with `extended-redis-compatibility yes` says it is (its server.h, REDIS_VERSION).
constexpr std::string_view kCompatibilityVersion = "7.2.4";

std::unique_ptr<io::Socket> connect(const SourceOptions& options, const std::stop_token& stop) {
  const Address& address = options.address;
  switch (address.transport) {
    case Address::Transport::unix:
      return io::connect_unix(address.path, options.connect_timeout, stop);
    case Address::Transport::tls:
      return io::connect_tls(address.host, address.port, options.tls, options.connect_timeout,
                             stop);
    case Address::Transport::tcp:
      return io::connect_tcp(address.host, address.port, options.connect_timeout, stop);
  }
  throw Error(ErrorKind::internal, "an address without a transport");
}

/// "7.0.15" to its numbers; what is missing or no number is 0.
rdb::ServerVersion to_version(rdb::ServerVersion::Product product, std::string_view text) {
  rdb::ServerVersion version;
  version.product = product;
  for (int* part : {&version.major, &version.minor, &version.patch}) {
    const char* end = text.data() + text.size();
    const char* rest = std::from_chars(text.data(), end, *part).ptr;
    text.remove_prefix(static_cast<std::size_t>(rest - text.data()));
    if (!text.starts_with('.')) {
      break;
    }
    text.remove_prefix(1);
  }
  return version;
}

std::string text_of(const resp::Reply* reply) {
  if (reply == nullptr) {
    return {};
  }
  return reply->kind == resp::Reply::Kind::integer ? std::to_string(reply->integer) : reply->text;
}

std::map<std::string, std::string> to_modules(const resp::Reply* reply) {
  std::map<std::string, std::string> modules;
  if (reply != nullptr) {
    for (const resp::Reply& module : reply->elements) {
      modules[text_of(module.find("name"))] = text_of(module.find("ver"));
    }
  }
  return modules;
}

/// A command as a person knows it: with its subcommand where it has one.
std::string command_name(std::span<const std::string_view> words) {
  constexpr std::array<std::string_view, 4> kContainers = {"ACL", "CLUSTER", "CONFIG", "SENTINEL"};
  const bool has_subcommand = words.size() > 1 && std::find(kContainers.begin(), kContainers.end(),
                                                            words[0]) != kContainers.end();
  return has_subcommand ? fmt::format("{} {}", words[0], words[1]) : std::string(words[0]);
}

}  // namespace

Connection::Connection(const SourceOptions& options, std::stop_token stop)
    : options_(options), stop_(std::move(stop)), socket_(connect(options_, stop_)) {
  greet();
  look_behind_compatibility();
}

resp::Reply Connection::call(std::initializer_list<std::string_view> words) {
  send(resp::encode_command(words), options_.silence_timeout);
  return read_reply(command_name(words), options_.silence_timeout);
}

resp::Reply Connection::call_or_throw(std::initializer_list<std::string_view> words) {
  resp::Reply reply = call(words);
  if (reply.is_error()) {
    throw server_error(options_, command_name(words), reply.text);
  }
  return reply;
}

void Connection::greet() {
  const bool authenticates = !options_.password.empty() || !options_.username.empty();
  const std::string user = user_name(options_);
  send(authenticates
           ? resp::encode_command({"HELLO", "2", "AUTH", user, options_.password.reveal()})
           : resp::encode_command({"HELLO", "2"}),
       options_.connect_timeout);
  resp::Reply reply;
  try {
    reply = read_reply("HELLO", options_.connect_timeout);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::protocol) {
      throw does_not_speak_redis();
    }
    if (error.kind() == ErrorKind::unavailable) {
      const bool is_plain = options_.address.transport == Address::Transport::tcp;
      throw Error(Side::source, ErrorKind::unavailable,
                  fmt::format("{}; is it a Redis or Valkey server{}", error.what(),
                              is_plain ? ", and without TLS? (valkeys:// is with)" : "?"));
    }
    throw;
  }
  if (reply.is_error()) {
    throw server_error(options_, "HELLO", reply.text);
  }

  const std::string product = text_of(reply.find("server"));
  greeting_.version_text = text_of(reply.find("version"));
  if (product.empty() || greeting_.version_text.empty()) {
    throw does_not_speak_redis();
  }
  using Product = rdb::ServerVersion::Product;
  greeting_.server =
      to_version(product == "valkey" ? Product::valkey : Product::redis, greeting_.version_text);
  greeting_.role = text_of(reply.find("role"));
  greeting_.mode = text_of(reply.find("mode"));
  greeting_.modules = to_modules(reply.find("modules"));
  if (greeting_.server.product == Product::redis && greeting_.server.major < 7) {
    throw Error(Side::source, ErrorKind::incompatible,
                fmt::format("{} is Redis {}, which is too old; Redis 7.0 or Valkey 7.2 is needed",
                            to_string(options_.address),
                            printable(options_, greeting_.version_text, kExcerptBytes)));
  }
}

/// The true version decides which RDB a Valkey 9 sends, so it is worth a question where a Valkey
/// may be playing Redis. A user who may not ask gets what the greeting said.
void Connection::look_behind_compatibility() {
  if (greeting_.server.product != rdb::ServerVersion::Product::redis ||
      greeting_.version_text != kCompatibilityVersion) {
    return;
  }
  const resp::Reply reply = call({"INFO", "server"});
  const std::string_view version = info_field(reply.text, "valkey_version");
  if (!reply.is_error() && !version.empty()) {
    greeting_.version_text = version;
    greeting_.server = to_version(rdb::ServerVersion::Product::valkey, version);
  }
}

/// A server that refuses us may hang up before it has read our command. What it said before that
/// tells more than our failure to write, so that is left to show itself in the next read.
void Connection::send(ByteView bytes, std::chrono::milliseconds timeout) {
  try {
    socket_->write_all(bytes, timeout, stop_);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::unavailable) {
      throw;
    }
  }
}

resp::Reply Connection::read_reply(std::string_view doing, std::chrono::milliseconds timeout) {
  std::array<std::byte, 16 << 10> piece{};
  while (true) {
    if (auto reply = reader_.next()) {
      return std::move(*reply);
    }
    const std::size_t got = socket_->read_some(piece, timeout, stop_);
    if (got == 0) {
      throw Error(Side::source, ErrorKind::unavailable,
                  fmt::format("{} closed the connection instead of answering {}",
                              to_string(options_.address), doing));
    }
    const ByteView bytes = std::span(piece).first(got);
    if (first_bytes_.size() < kFirstBytes) {
      first_bytes_ += as_text(bytes).substr(0, kFirstBytes - first_bytes_.size());
    }
    reader_.feed(bytes);
  }
}

Error Connection::does_not_speak_redis() const {
  const std::string peer = to_string(options_.address);
  if (first_bytes_.starts_with(kTlsAlert)) {
    return {Side::source, ErrorKind::protocol,
            fmt::format("{} speaks TLS; write valkeys:// or rediss://", peer)};
  }
  return {
      Side::source, ErrorKind::protocol,
      fmt::format("{} does not speak the Redis protocol (it sent \"{}\")", peer,
                  printable(options_, first_bytes_.substr(0, first_bytes_.find_first_of("\r\n")),
                            kExcerptBytes))};
}

void refuse_sentinel(const Connection& connection) {
  if (connection.greeting().mode == "sentinel") {
    throw Error(ErrorKind::config, fmt::format("{} is a Sentinel; set source.address to a server",
                                               to_string(connection.options().address)));
  }
}

}  // namespace keyrewind::replica
