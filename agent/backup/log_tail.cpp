#include "backup/log_tail.h"

#include "aof/framer.h"
#include "base/error.h"
#include "flow/byte_channel.h"
#include "flow/group.h"

#include <algorithm>
#include <functional>
#include <utility>
#include <variant>

namespace keyrewind::backup {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::size_t kReadBytes = 1U << 20U;

/// Servers drop a replica that is silent for repl-timeout, and count those by their last second.
constexpr milliseconds kAckInterval{1000};

/// A server that asks for acknowledgements has a client that waits, perhaps for WAITAOF; so the log
/// is sealed at once, but not more often than this.
constexpr milliseconds kAskedSealInterval{1000};

/// What the thread that reads tells the one that writes.
struct Append {
  Bytes raw;
  Timestamp at;
};
struct SealAndBegin {
  replica::Position end;
  std::optional<std::uint64_t> database;
};
struct Seal {
  replica::Position end;
  std::optional<std::uint64_t> database;
};
using Order = std::variant<Append, SealAndBegin, Seal>;

/// What an order counts for beside its bytes.
constexpr std::size_t kOrderBytes = 128;

/// Reading waits a second at most; what takes longer is a disk that will not take the spool.
constexpr std::chrono::seconds kLongestTurn{20};

class Tail {
 public:
  Tail(replica::LogStream& stream, const TailStart& start, Spool& spool,
       const SealingOptions& sealing, DurablePoint& durable, std::atomic<std::int64_t>& received,
       metrics::AgentMetrics& metrics, const Clock& clock)
      : stream_(stream),
        start_(start),
        spool_(spool),
        sealing_(sealing),
        durable_(durable),
        received_(received),
        metrics_(metrics),
        clock_(clock),
        framer_(start.position.offset, start.database),
        segment_begin_(start.position.offset),
        orders_(sealing.memory) {}

  TailEnd run(const std::stop_token& stop) {
    TailEnd end = TailEnd::stopped;
    std::exception_ptr lost;
    try {
      begin();
      flow::Group writer({});
      writer.spawn("spool", [this](const std::stop_token& token) {
        try {
          write_orders(token);
        } catch (...) {
          writer_failed_ = true;
          stream_.wake();
          throw;
        }
      });
      try {
        end = read(stop);
      } catch (const Error& error) {
        if (error.kind() != ErrorKind::cancelled) {
          lost = std::current_exception();
        }
      }
      // Whatever ended it, what was read is kept up to where it can be gone on from.
      finish();
      if (!refused_) {
        writer.wait();
      }
    } catch (...) {
      spool_.rescue();
      throw;
    }
    if (refused_) {
      // The rest of what was read is dropped, to be read again: the spool ends with what it took.
      spool_.rescue();
    }
    if (lost) {
      std::rethrow_exception(lost);
    }
    return refused_ ? TailEnd::spool_slow : end;
  }

 private:
  void begin() {
    const Timestamp now = clock_.now();
    spool_.begin(start_.lineage, start_.position, start_.database);
    if (start_.resumed) {
      spool_.note_resumed(start_.node, now);
    }
    if (stream_.replid() != start_.position.replid) {
      spool_.note_renamed(stream_.replid(), now);
    }
    received_ = framer_.offset();
  }

  TailEnd read(const std::stop_token& stop) {
    Bytes buffer(kReadBytes);
    acknowledge();
    while (!stop.stop_requested()) {
      flow::beat(start_.pulse, kLongestTurn);
      if (writer_failed_) {
        return TailEnd::stopped;  // The writer's own error is what is thrown.
      }
      const std::size_t got = stream_.receive(buffer, until_next_duty());
      if (got != 0 && !take(ByteView(buffer).first(got))) {
        return TailEnd::spool_slow;
      }
      if (got == 0 && can_be_sealed() && is_seal_due() && !seal_at(framer_.safe())) {
        return TailEnd::spool_slow;
      }
      if (is_ack_due()) {
        acknowledge();
      }
      if (spool_.bytes() >= spool_.max_bytes()) {
        return TailEnd::spool_full;
      }
    }
    return TailEnd::stopped;
  }

  /// Frames what has arrived and hands it to the writer; a segment that is due ends at the last
  /// safe offset in it. Returns false if the writer takes no more.
  bool take(ByteView bytes) {
    const Timestamp now = clock_.now();
    while (!bytes.empty()) {
      bytes = bytes.subspan(framer_.keep_alives(bytes));
      const std::int64_t begin = framer_.offset();
      ByteView stream = bytes.first(frame(bytes, now));
      bytes = bytes.subspan(stream.size());
      if (stream.empty()) {
        continue;
      }
      if (appended_ == segment_begin_) {
        segment_began_ = steady_clock::now();
      }
      if (framer_.safe() > begin && is_seal_due()) {
        const auto safe = static_cast<std::size_t>(framer_.safe() - begin);
        if (!append(stream.first(safe), now) || !seal_at(framer_.safe())) {
          return false;
        }
        segment_began_ = steady_clock::now();
        stream = stream.subspan(safe);
      }
      if (!append(stream, now)) {
        return false;
      }
    }
    metrics_.received(static_cast<std::uint64_t>(framer_.offset() - received_), framer_.offset());
    received_ = framer_.offset();
    return true;
  }

  /// Of a stream that is malformed further on, what can be cut safely is kept.
  std::size_t frame(ByteView bytes, Timestamp now) {
    const std::int64_t begin = framer_.offset();
    try {
      return framer_.feed(bytes);
    } catch (const Error&) {
      if (framer_.safe() > begin) {
        append(bytes.first(static_cast<std::size_t>(framer_.safe() - begin)), now);
      }
      throw;
    }
  }

  bool append(ByteView raw, Timestamp at) {
    if (raw.empty()) {
      return true;
    }
    appended_ += static_cast<std::int64_t>(raw.size());
    return give(Append{Bytes(raw.begin(), raw.end()), at}, raw.size());
  }

  bool seal_at(std::int64_t offset) {
    last_seal_ = steady_clock::now();
    seal_wanted_ = false;
    segment_begin_ = offset;
    return give(SealAndBegin{{stream_.replid(), offset}, framer_.safe_database()}, 0);
  }

  /// Nothing may follow an order that was refused: it would seal what is not there.
  bool give(Order order, std::size_t bytes) {
    refused_ = refused_ ||
               !orders_.push(std::move(order), bytes + kOrderBytes, sealing_.disk_patience, {});
    return !refused_;
  }

  void finish() {
    if (!writer_failed_) {
      give(Seal{{stream_.replid(), framer_.safe()}, framer_.safe_database()}, 0);
    }
    orders_.finish();
  }

  /// Whether the segment holds anything, and nothing but whole commands and transactions.
  bool can_be_sealed() const { return appended_ == framer_.safe() && appended_ != segment_begin_; }

  steady_clock::time_point seal_due() const {
    const auto by_age = segment_began_ + sealing_.max_age.load();
    return seal_wanted_ ? std::min(by_age, last_seal_ + kAskedSealInterval) : by_age;
  }

  bool is_seal_due() const {
    const auto bytes = static_cast<std::uint64_t>(framer_.offset() - segment_begin_);
    return framer_.safe() > segment_begin_ &&
           (bytes >= sealing_.max_bytes || steady_clock::now() >= seal_due());
  }

  bool is_ack_due() {
    if (framer_.acknowledgements_wanted() != acknowledgements_given_) {
      acknowledgements_given_ = framer_.acknowledgements_wanted();
      seal_wanted_ = true;
      return true;
    }
    return durable_offset() != acknowledged_durable_ ||
           steady_clock::now() >= last_ack_ + kAckInterval;
  }

  milliseconds until_next_duty() const {
    auto due = last_ack_ + kAckInterval;
    if (can_be_sealed()) {
      due = std::min(due, seal_due());
    }
    const auto left = std::chrono::ceil<milliseconds>(due - steady_clock::now());
    return std::clamp(left, milliseconds(0), kAckInterval);
  }

  std::int64_t durable_offset() const { return durable_.offset_of(start_.lineage); }

  void acknowledge() {
    last_ack_ = steady_clock::now();
    acknowledged_durable_ = durable_offset();
    stream_.acknowledge(framer_.offset(), acknowledged_durable_);
  }

  /// The writer's thread: carries the orders out.
  void write_orders(const std::stop_token& stop) {
    while (auto order = orders_.pop(stop)) {
      if (const auto* bytes = std::get_if<Append>(&*order)) {
        spool_.append(bytes->raw, bytes->at);
      } else if (const auto* seal = std::get_if<SealAndBegin>(&*order)) {
        spool_.seal(seal->end, seal->database);
        spool_.begin(start_.lineage, seal->end, seal->database);
      } else {
        const auto& last = std::get<Seal>(*order);
        spool_.seal(last.end, last.database);
      }
    }
  }

  replica::LogStream& stream_;
  const TailStart& start_;
  Spool& spool_;
  const SealingOptions& sealing_;
  DurablePoint& durable_;
  std::atomic<std::int64_t>& received_;
  metrics::AgentMetrics& metrics_;
  const Clock& clock_;

  aof::Framer framer_;
  std::int64_t segment_begin_;
  std::int64_t appended_ = segment_begin_;  ///< Behind the last byte handed to the writer.
  steady_clock::time_point segment_began_ = steady_clock::now();
  steady_clock::time_point last_seal_{};
  bool seal_wanted_ = false;

  steady_clock::time_point last_ack_{};
  std::uint64_t acknowledgements_given_ = 0;
  std::int64_t acknowledged_durable_ = 0;

  flow::ByteChannel<Order> orders_;
  bool refused_ = false;  ///< The writer did not take an order.
  std::atomic<bool> writer_failed_{false};
};

}  // namespace

TailEnd tail_log(replica::LogStream& stream, const TailStart& start, Spool& spool,
                 const SealingOptions& sealing, DurablePoint& durable,
                 std::atomic<std::int64_t>& received, metrics::AgentMetrics& metrics,
                 const Clock& clock, std::stop_token stop) {
  durable.on_move([&stream] { stream.wake(); });
  const std::stop_callback on_stop(stop, [&stream] { stream.wake(); });
  Tail tail(stream, start, spool, sealing, durable, received, metrics, clock);
  try {
    const TailEnd end = tail.run(stop);
    durable.on_move({});
    return end;
  } catch (...) {
    durable.on_move({});
    throw;
  }
}

}  // namespace keyrewind::backup
