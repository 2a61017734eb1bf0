#include "replica/snapshot_stream.h"

#include "resp/command.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace keyrewind::replica {

namespace {

constexpr std::size_t kMaxLine = 1024;
constexpr std::size_t kExcerptBytes = 64;

/// The whole of `text` as a number that is not negative.
std::optional<std::int64_t> to_number(std::string_view text) {
  std::int64_t number = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  return error == std::errc() && rest == end && number >= 0 ? std::optional(number) : std::nullopt;
}

/// Reads "FULLRESYNC <replid> <offset>".
std::optional<Position> parse_full_resync(std::string_view line) {
  constexpr std::string_view kWord = "+FULLRESYNC ";
  if (!line.starts_with(kWord)) {
    return std::nullopt;
  }
  line.remove_prefix(kWord.size());
  const std::string_view replid = line.substr(0, line.find(' '));
  if (!is_replid(replid) || replid.size() == line.size()) {
    return std::nullopt;
  }
  const auto offset = to_number(line.substr(replid.size() + 1));
  return offset ? std::optional(Position{std::string(replid), *offset}) : std::nullopt;
}

}  // namespace

SnapshotStream::SnapshotStream(const SourceOptions& options, std::stop_token stop)
    : connection_(options, std::move(stop)) {
  refuse_sentinel(connection_);
  announce();
  ask_for_snapshot();
  connection_.socket_->prefer_throughput();
}

const Greeting& SnapshotStream::greeting() const noexcept {
  return connection_.greeting();
}

std::size_t SnapshotStream::read(std::span<std::byte> into) {
  if (!has_header_) {
    read_header();
    has_header_ = true;
  }
  if (ended_) {
    return 0;
  }
  return length_ ? read_counted(into) : read_marked(into);
}

/// Each reply is read before the next command goes out: a server with a reply still to send refuses
/// PSYNC (protocol.md 1.1).
void SnapshotStream::announce() {
  connection_.call_or_throw({"REPLCONF", "rdb-only", "1"});
  // A port that Sentinel does not believe, so that it never lists us as a replica.
  connection_.call_or_throw({"REPLCONF", "listening-port", "-1"});
  connection_.call_or_throw({"REPLCONF", "capa", "eof", "capa", "psync2"});
  const rdb::ServerVersion& server = greeting().server;
  if (server.product == rdb::ServerVersion::Product::valkey && server.major >= 8) {
    // Else Valkey 9 writes RDB 11 and aborts at the first hash field with a TTL.
    connection_.call_or_throw(
        {"REPLCONF", "version", fmt::format("{}.{}.{}", server.major, server.minor, server.patch)});
  }
}

void SnapshotStream::ask_for_snapshot() {
  connection_.send(resp::encode_command({"PSYNC", "?", "-1"}),
                   connection_.options_.silence_timeout);
  const std::string line = read_line();
  if (line.starts_with('-')) {
    throw server_error(connection_.options_, "PSYNC", line.substr(1));
  }
  auto position = parse_full_resync(line);
  if (!position) {
    throw unexpected("PSYNC", line);
  }
  position_ = std::move(*position);
}

void SnapshotStream::read_header() {
  constexpr std::string_view kMarked = "$EOF:";
  const std::string line = read_line();
  if (line.starts_with('-')) {
    throw server_error(connection_.options_, "PSYNC", line.substr(1));
  }
  if (line.starts_with(kMarked) && line.size() == kMarked.size() + kMarkBytes) {
    mark_ = line.substr(kMarked.size());
    return;
  }
  const auto length = line.starts_with('$') ? to_number(std::string_view(line).substr(1))
                                            : std::optional<std::int64_t>();
  if (!length || *length == 0) {
    throw unexpected("the snapshot's length", line);
  }
  length_ = static_cast<std::uint64_t>(*length);
}

std::size_t SnapshotStream::read_counted(std::span<std::byte> into) {
  const std::uint64_t left = *length_ - received_;
  const std::size_t got = receive(into.first(std::min<std::uint64_t>(into.size(), left)));
  ended_ = received_ == *length_;
  return got;
}

/// The mark may come in any pieces, and nothing follows it. So the last 40 bytes are held back
/// until more bytes show that they are data: they go to the front of the next piece.
std::size_t SnapshotStream::read_marked(std::span<std::byte> into) {
  while (true) {
    std::memcpy(into.data(), held_back_.data(), held_back_size_);
    const std::size_t size = held_back_size_ + receive(into.subspan(held_back_size_));
    held_back_size_ = std::min(size, kMarkBytes);
    const std::size_t handed_out = size - held_back_size_;
    std::memcpy(held_back_.data(), into.data() + handed_out, held_back_size_);
    ended_ = as_text(ByteView(held_back_).first(held_back_size_)) == mark_;
    if (handed_out > 0 || ended_) {
      return handed_out;
    }
  }
}

/// The next line that is not empty: a server that prepares sends a newline each second.
std::string SnapshotStream::read_line() {
  std::string line;
  while (true) {
    if (buffered_.empty()) {
      const std::size_t got = connection_.socket_->read_some(
          buffer_, connection_.options_.silence_timeout, connection_.stop_);
      if (got == 0) {
        throw Error(Side::source, ErrorKind::unavailable,
                    fmt::format("{} closed the connection instead of sending a snapshot; its log "
                                "says why (often a failed fork)",
                                peer()));
      }
      buffered_ = std::span(buffer_).first(got);
    }
    const char letter = static_cast<char>(buffered_.front());
    buffered_ = buffered_.subspan(1);
    if (letter != '\n') {
      line += letter;
      if (line.size() > kMaxLine) {
        throw unexpected("PSYNC", line);
      }
      continue;
    }
    if (line.ends_with('\r')) {
      line.pop_back();
    }
    if (!line.empty()) {
      return line;
    }
  }
}

/// Some of the payload: first what came together with its header.
std::size_t SnapshotStream::receive(std::span<std::byte> into) {
  std::size_t got = std::min(buffered_.size(), into.size());
  if (got > 0) {
    std::memcpy(into.data(), buffered_.data(), got);
    buffered_ = buffered_.subspan(got);
  } else {
    got = connection_.socket_->read_some(into, connection_.options_.silence_timeout,
                                         connection_.stop_);
  }
  if (got == 0) {
    throw Error(Side::source, ErrorKind::unavailable,
                fmt::format("{} closed the connection after {} bytes of the RDB; its log says why "
                            "(often a killed or failed child)",
                            peer(), received_));
  }
  received_ += got;
  return got;
}

std::string SnapshotStream::peer() const {
  return to_string(connection_.options_.address);
}

Error SnapshotStream::unexpected(std::string_view what, const std::string& line) const {
  return {Side::source, ErrorKind::protocol,
          fmt::format("{} answered {} with \"{}\"", peer(), what,
                      printable(connection_.options_, line, kExcerptBytes))};
}

}  // namespace keyrewind::replica
