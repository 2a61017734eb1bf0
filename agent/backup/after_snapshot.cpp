#include "backup/after_snapshot.h"

#include "base/error.h"
#include "replica/log_stream.h"
#include "replica/replication_info.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

namespace keyrewind::backup {
namespace {

/// What a primary sends now and then to its replicas, whether anybody writes or not.
constexpr std::string_view kPing = "*1\r\n$4\r\nPING\r\n";

constexpr std::chrono::milliseconds kWait{1000};

/// Whether all of a stream is pings, whatever the pieces in which it comes.
class PingsOnly {
 public:
  void feed(std::span<const std::byte> bytes) {
    for (const std::byte byte : bytes) {
      holds_ = holds_ && static_cast<char>(byte) == kPing[at_];
      at_ = (at_ + 1) % kPing.size();
    }
  }

  bool holds() const noexcept { return holds_; }

 private:
  bool holds_ = true;
  std::size_t at_ = 0;
};

}  // namespace

std::optional<AfterSnapshot> look_after_snapshot(const replica::SourceOptions& node,
                                                 const replica::Position& position,
                                                 std::stop_token stop) {
  replica::Connection connection(node, stop);
  const replica::ReplicationInfo info = replica::ask_replication_info(connection);
  if (info.position.replid != position.replid || info.position.offset < position.offset) {
    return std::nullopt;
  }
  AfterSnapshot after{.offset = info.position.offset, .is_quiet = true};
  if (after.offset == position.offset) {
    return after;
  }
  const auto stream = replica::LogStream::attach(node, position, stop);
  if (!stream) {
    return std::nullopt;
  }
  PingsOnly pings;
  std::array<std::byte, 4096> piece{};
  for (std::int64_t at = position.offset; at < after.offset && pings.holds();) {
    if (stop.stop_requested()) {
      throw Error(ErrorKind::cancelled, "stopped");
    }
    const std::size_t got = stream->receive(piece, kWait);
    const auto wanted = std::min<std::int64_t>(static_cast<std::int64_t>(got), after.offset - at);
    pings.feed(std::span(piece).first(static_cast<std::size_t>(wanted)));
    at += wanted;
    stream->acknowledge(at, at);
  }
  after.is_quiet = pings.holds();
  return after;
}

}  // namespace keyrewind::backup
