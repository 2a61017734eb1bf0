#include "replica/log_stream.h"

#include "base/clock.h"
#include "io/waiter.h"
#include "resp/command.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <string_view>
#include <thread>

namespace keyrewind::replica {

namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::size_t kMaxLine = 1024;
constexpr std::size_t kExcerptBytes = 64;

/// How long bytes may gather between two reads. Callers of WAITAOF wait that much longer.
constexpr microseconds kMaxPause = milliseconds(5);
constexpr microseconds kMinPause{125};

/// How much one read should bring under load: a few hundred reads a second at any speed. A Unix
/// socket's queue holds little more than its share, and its sender must never find it full.
constexpr std::size_t kGatherBytes = 256 << 10;
constexpr std::size_t kGatherBytesOfUnix = 64 << 10;

/// Reads "+CONTINUE" and "+CONTINUE <replid>"; the former leaves the id as it was.
std::optional<std::string> parse_continue(std::string_view line, const std::string& asked_for) {
  constexpr std::string_view kWord = "+CONTINUE";
  if (line == kWord) {
    return asked_for;
  }
  if (!line.starts_with(kWord) || line[kWord.size()] != ' ') {
    return std::nullopt;
  }
  const std::string_view replid = line.substr(kWord.size() + 1);
  return is_replid(replid) ? std::optional(std::string(replid)) : std::nullopt;
}

/// WAITAOF came with Redis 7.2, and Valkey has always had it.
bool knows_fack(const rdb::ServerVersion& server) {
  using Product = rdb::ServerVersion::Product;
  return server.product == Product::valkey || server.major > 7 ||
         (server.major == 7 && server.minor >= 2);
}

}  // namespace

struct LogStream::State {
  State(const SourceOptions& options, std::stop_token stop) : connection(options, std::move(stop)) {
    refuse_sentinel(connection);
  }

  io::Socket& socket() { return *connection.socket_; }
  const SourceOptions& options() const { return connection.options_; }
  std::string peer() const { return to_string(options().address); }

  void announce();
  bool continue_from(const Position& position);
  std::string read_line();
  std::size_t take_early(std::span<std::byte> into);
  void let_gather(milliseconds at_most);
  std::optional<std::size_t> read(std::span<std::byte> into);
  void adapt_pause(std::size_t got, std::size_t asked_for);
  Error unexpected(const std::string& line) const;

  Connection connection;
  std::string replid;

  /// Bytes that came together with the answer to PSYNC.
  std::array<std::byte, 4096> buffer{};
  std::span<std::byte> early;

  steady_clock::time_point last_arrival = steady_clock::now();
  microseconds pause{0};
};

/// Each reply is read before the next command goes out: a server with a reply still to send refuses
/// PSYNC (protocol.md 1.1).
void LogStream::State::announce() {
  // A port that Sentinel does not believe, so that it never lists us as a replica.
  connection.call_or_throw({"REPLCONF", "listening-port", "-1"});
  connection.call_or_throw({"REPLCONF", "capa", "eof", "capa", "psync2"});
}

/// Returns false if the server is about to make a full sync.
bool LogStream::State::continue_from(const Position& position) {
  const std::uint64_t wanted = static_cast<std::uint64_t>(position.offset) + 1;
  connection.send(resp::encode_command({"PSYNC", position.replid, std::to_string(wanted)}),
                  options().silence_timeout);
  const std::string line = read_line();
  // A server that continues says so before anything else. A bare newline comes each second from
  // one that prepares a full sync: with its usual delay it has not yet forked.
  if (line.empty() || line.starts_with("+FULLRESYNC ")) {
    return false;
  }
  if (line.starts_with('-')) {
    throw server_error(options(), "PSYNC", line.substr(1));
  }
  auto id = parse_continue(line, position.replid);
  if (!id) {
    throw unexpected(line);
  }
  replid = std::move(*id);
  last_arrival = steady_clock::now();
  return true;
}

std::string LogStream::State::read_line() {
  std::string line;
  while (true) {
    const std::size_t got = socket().read_some(buffer, options().silence_timeout, connection.stop_);
    if (got == 0) {
      throw Error(Side::source, ErrorKind::unavailable,
                  fmt::format("{} closed the connection instead of answering PSYNC", peer()));
    }
    const std::string_view text = as_text(std::span(buffer).first(got));
    const std::size_t end = text.find('\n');
    line += text.substr(0, end);
    if (line.size() > kMaxLine) {
      throw unexpected(line);
    }
    if (end != std::string_view::npos) {
      early = std::span(buffer).first(got).subspan(end + 1);
      break;
    }
  }
  if (line.ends_with('\r')) {
    line.pop_back();
  }
  return line;
}

std::size_t LogStream::State::take_early(std::span<std::byte> into) {
  const std::size_t size = std::min(early.size(), into.size());
  std::memcpy(into.data(), early.data(), size);
  early = early.subspan(size);
  return size;
}

/// Not a wait for the socket: that would wake up for each of the pieces that are to gather.
void LogStream::State::let_gather(milliseconds at_most) {
  const auto now = steady_clock::now();
  const auto until = std::min<steady_clock::time_point>(last_arrival + pause, now + at_most);
  if (until > now) {
    std::this_thread::sleep_until(until);
  }
}

std::optional<std::size_t> LogStream::State::read(std::span<std::byte> into) {
  const auto got = socket().read_arrived(into);
  if (got == 0U) {
    throw Error(Side::source, ErrorKind::unavailable,
                fmt::format("{} closed the replication connection", peer()));
  }
  if (got) {
    last_arrival = steady_clock::now();
    adapt_pause(*got, into.size());
  }
  return got;
}

void LogStream::State::adapt_pause(std::size_t got, std::size_t asked_for) {
  const bool is_unix = options().address.transport == Address::Transport::unix;
  const std::size_t enough = is_unix ? kGatherBytesOfUnix : kGatherBytes;
  if (got == asked_for || got > enough) {
    pause /= 2;
  } else if (got < enough / 2) {
    pause = std::clamp(pause * 2, kMinPause, kMaxPause);
  }
}

Error LogStream::State::unexpected(const std::string& line) const {
  return {Side::source, ErrorKind::protocol,
          fmt::format("{} answered PSYNC with \"{}\"", peer(),
                      printable(options(), line, kExcerptBytes))};
}

std::unique_ptr<LogStream> LogStream::attach(const SourceOptions& options, const Position& position,
                                             std::stop_token stop) {
  // No server has an unknown history, and to ask for it might cost a fork.
  if (!is_replid(position.replid)) {
    return nullptr;
  }
  auto state = std::make_unique<State>(options, std::move(stop));
  state->announce();
  if (!state->continue_from(position)) {
    return nullptr;
  }
  return std::make_unique<LogStream>(std::move(state));
}

LogStream::LogStream(std::unique_ptr<State> state) : state_(std::move(state)) {}

LogStream::~LogStream() = default;

const Greeting& LogStream::greeting() const noexcept {
  return state_->connection.greeting();
}

const std::string& LogStream::replid() const noexcept {
  return state_->replid;
}

std::size_t LogStream::receive(std::span<std::byte> into, milliseconds wait) {
  const std::stop_token& stop = state_->connection.stop_;
  io::throw_if_stopped(stop);
  if (!state_->early.empty()) {
    return state_->take_early(into);
  }
  const auto deadline = steady_clock::now() + wait;
  state_->let_gather(wait);
  while (true) {
    if (const auto got = state_->read(into)) {
      return *got;
    }
    const milliseconds silence_timeout = state_->options().silence_timeout;
    const auto silent_until = state_->last_arrival + silence_timeout;
    const auto until = std::min<steady_clock::time_point>(deadline, silent_until);
    const auto left = std::chrono::ceil<milliseconds>(until - steady_clock::now());
    if (state_->socket().wait_for_more(std::max(left, milliseconds(0)), stop)) {
      continue;
    }
    if (steady_clock::now() < silent_until) {
      return 0;
    }
    throw Error(Side::source, ErrorKind::unavailable,
                fmt::format("{} sent nothing for {}", state_->peer(), to_human(silence_timeout)));
  }
}

void LogStream::acknowledge(std::int64_t received, std::int64_t durable) {
  const std::string ack = std::to_string(received);
  const std::string fack = std::to_string(durable);
  state_->connection.send(knows_fack(greeting().server)
                              ? resp::encode_command({"REPLCONF", "ACK", ack, "FACK", fack})
                              : resp::encode_command({"REPLCONF", "ACK", ack}),
                          state_->options().silence_timeout);
}

void LogStream::wake() noexcept {
  state_->socket().wake();
}

}  // namespace keyrewind::replica
