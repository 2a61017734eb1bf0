#pragma once

#include "backup/durable_point.h"
#include "backup/spool.h"
#include "base/clock.h"
#include "flow/pulse.h"
#include "metrics/agent_metrics.h"
#include "replica/log_stream.h"
#include "replica/position.h"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>

namespace keyrewind::backup {

/// When a segment is sealed, which may change while the log is read, and what may wait for the
/// spool's disk.
struct SealingOptions {
  std::atomic<std::chrono::milliseconds> max_age{std::chrono::seconds(10)};
  std::atomic<std::uint64_t> max_bytes{64U << 20U};

  std::size_t memory = 16U << 20U;  ///< Bytes.
  /// How long the disk may take nothing while memory is full, before the server is left alone.
  std::chrono::milliseconds disk_patience{10000};
};

/// From where a tail goes on.
struct TailStart {
  std::string lineage;
  replica::Position position;             ///< Asked for; a safe one.
  std::optional<std::uint64_t> database;  ///< Selected there, if known.
  bool resumed = false;                   ///< Not the lineage's very beginning.
  std::string node;                       ///< "10.0.0.7:6379"
  flow::Pulse* pulse = nullptr;           ///< Beats while the log is read.
};

/// Why a tail ended that nobody stopped.
enum class TailEnd {
  stopped,     ///< As asked.
  spool_full,  ///< `Spool::max_bytes` is reached.
  spool_slow,  ///< The disk took nothing for some seconds and memory is full.
};

/// Reads the log from `stream` into `spool` until `stop` is requested, and acknowledges it:
///
///   socket → framer → memory (bounded) → journal → sealed, outside transactions, by age or size
///
/// The socket is read whatever the disk does, up to the bound of the memory, and whatever the
/// repository does, up to the bound of the spool. On return, and on any failure, the spool is
/// sealed at the last safe offset, from where the next tail goes on.
///
/// `received` is the offset that reading has come to. Throws what LogStream::receive throws (the
/// link is lost), Error(Side::source, protocol) if the stream is malformed, and Error(Side::here,
/// …) if the spool can't be written.
TailEnd tail_log(replica::LogStream& stream, const TailStart& start, Spool& spool,
                 const SealingOptions& sealing, DurablePoint& durable,
                 std::atomic<std::int64_t>& received, metrics::AgentMetrics& metrics,
                 const Clock& clock, std::stop_token stop);

}  // namespace keyrewind::backup
