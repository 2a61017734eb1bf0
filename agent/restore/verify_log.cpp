#include "restore/verify_log.h"

#include "aof/framer.h"
#include "base/error.h"
#include "catalog/log.h"
#include "catalog/timeline.h"
#include "restore/log_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace keyrewind::restore {
namespace {

using catalog::LogBreak;
using catalog::LogSpan;
using catalog::Timeline;
using catalog::Window;

/// Segments that follow each other and can be read, from offset to offset.
struct Span {
  std::int64_t begin = 0;
  std::int64_t end = 0;
};

/// Throws Error(corrupt) unless what it is fed from a safe offset to another are whole commands.
class FramingCheck {
 public:
  explicit FramingCheck(std::int64_t begin) : framer_(begin, std::nullopt) {}

  void feed(ByteView raw) {
    try {
      if (framer_.feed(raw) == raw.size()) {
        return;
      }
    } catch (const Error& error) {
      throw Error(Side::repository, ErrorKind::corrupt, error.what());
    }
    throw Error(Side::repository, ErrorKind::corrupt,
                fmt::format("the log has a bare line feed at offset {}", framer_.offset()));
  }

  void finish() const {
    if (framer_.safe() != framer_.offset()) {
      throw Error(Side::repository, ErrorKind::corrupt,
                  fmt::format("the log ends at offset {} within a command or transaction",
                              framer_.offset()));
    }
  }

 private:
  aof::Framer framer_;
};

/// Verifies the log of one window from an offset on.
class WindowCheck {
 public:
  WindowCheck(const catalog::Catalog& catalog, const Window& window, const VerifyOptions& options,
              Progress& progress, const std::stop_token& stop)
      : catalog_(catalog), window_(window), options_(options), progress_(progress), stop_(stop) {}

  VerifiedLog run(const catalog::SnapshotPoint& base, const std::vector<LogBreak>& breaks) {
    found_.lineage = window_.lineage;
    found_.begin = base.snapshot.offset;
    found_.end = window_.end;
    found_.from = base.snapshot.taken;
    found_.until = window_.until;
    for (const LogSpan& entry : window_.log) {
      if (entry.end > found_.begin) {
        ++found_.segments;
      }
    }
    if (options_.level != VerifyLevel::checksum) {
      for (const Span& span : readable()) {
        read(span);
      }
    }
    note_break(breaks);
    return std::move(found_);
  }

 private:
  std::string object_of(const LogSpan& span) const {
    const std::string& shard = window_.snapshots.front().snapshot.shard;
    return catalog::entry_of(catalog_.source(), shard, window_.lineage, span).object;
  }

  /// What can be read, in as few pieces as possible; counts the rest.
  std::vector<Span> readable() {
    std::vector<Span> spans;
    for (const LogSpan& entry : window_.log) {
      if (entry.end <= found_.begin) {
        continue;
      }
      if (!catalog_.store().can_read(object_of(entry))) {
        ++found_.unreadable;
        continue;
      }
      const std::int64_t begin = std::max(entry.begin, found_.begin);
      if (spans.empty() || spans.back().end != begin) {
        spans.push_back({begin, begin});
      }
      spans.back().end = entry.end;
    }
    return spans;
  }

  /// Goes on behind what is damaged, so that all of it gets named.
  void read(Span span) {
    while (span.begin < span.end) {
      reached_ = span.begin;
      try {
        read_sound(span);
        return;
      } catch (const Error& error) {
        if (error.kind() != ErrorKind::corrupt) {
          throw;
        }
        found_.damages.emplace_back(error.what());
      }
      span.begin = behind_damage();
    }
  }

  void read_sound(const Span& span) {
    FramingCheck framing(span.begin);
    read_log(
        catalog_, window_, span.begin, span.end, options_.read,
        [&](ByteView raw, Timestamp) {
          framing.feed(raw);
          reached_ += static_cast<std::int64_t>(raw.size());
          found_.raw_bytes += raw.size();
        },
        progress_, stop_);
    framing.finish();
  }

  /// The end of the segment that holds what could not be read.
  std::int64_t behind_damage() const {
    const auto holding = std::ranges::find_if(
        window_.log, [&](const LogSpan& entry) { return reached_ < entry.end; });
    return holding == window_.log.end() ? window_.end : holding->end;
  }

  /// The window may end where it does because the log is damaged there.
  void note_break(const std::vector<LogBreak>& breaks) {
    for (const LogBreak& broken : breaks) {
      const bool is_here =
          broken.begin == window_.end || (broken.begin < window_.end && window_.end < broken.end);
      if (broken.lineage != window_.lineage || !is_here) {
        continue;
      }
      found_.damages.push_back(
          broken.end > window_.end
              ? fmt::format("the log cannot be read from offset {} to {}: {}", window_.end,
                            broken.end, broken.reason)
              : fmt::format("the log breaks off at offset {}: {}", window_.end, broken.reason));
      return;
    }
  }

  const catalog::Catalog& catalog_;
  const Window& window_;
  const VerifyOptions& options_;
  Progress& progress_;
  const std::stop_token& stop_;
  VerifiedLog found_;
  std::int64_t reached_ = 0;  ///< Behind the last byte that was sound.
};

/// The snapshot from which the window's log is wanted; none if it is not that of `backup`.
const catalog::SnapshotPoint* base_of(const Window& window,
                                      const std::optional<std::string>& backup) {
  const auto base = std::ranges::find_if(
      window.snapshots, [&](const auto& point) { return !backup || point.commit.id == *backup; });
  return base == window.snapshots.end() ? nullptr : &*base;
}

}  // namespace

LogVerification verify_log(const catalog::Catalog& catalog,
                           const std::optional<std::string>& backup, const VerifyOptions& options,
                           Progress& progress, std::stop_token stop) {
  const Timeline timeline = catalog::read_timeline(catalog, stop);
  LogVerification verification;
  for (const Window& window : timeline.windows) {
    if (const catalog::SnapshotPoint* const base = base_of(window, backup)) {
      VerifiedLog log =
          WindowCheck(catalog, window, options, progress, stop).run(*base, timeline.breaks);
      if (log.segments != 0 || !log.damages.empty()) {
        verification.logs.push_back(std::move(log));
      }
    }
  }
  if (!backup) {
    verification.problems = timeline.problems;
  }
  return verification;
}

}  // namespace keyrewind::restore
