#include "restore/safe_cut.h"

#include "aof/framer.h"
#include "base/error.h"
#include "base/progress.h"
#include "restore/log_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace keyrewind::restore {
namespace {

/// The last offset up to `point` that is known to be safe: the base's, or the end of something that
/// was sealed.
std::int64_t last_boundary(const RestorePoint& point) {
  std::int64_t last = point.base.snapshot.offset;
  for (const catalog::Segment& segment : point.window.segments) {
    for (const catalog::Link& link : segment.links) {
      if (link.end <= point.offset) {
        last = std::max(last, link.end);
      }
    }
  }
  return last;
}

void feed(aof::Framer& framer, ByteView raw) {
  try {
    if (framer.feed(raw) == raw.size()) {
      return;
    }
  } catch (const Error& error) {
    throw Error(Side::repository, ErrorKind::corrupt, error.what());
  }
  throw Error(Side::repository, ErrorKind::corrupt,
              fmt::format("the log has a bare line feed at offset {}", framer.offset()));
}

}  // namespace

void cut_safely(const catalog::Catalog& catalog, const Moment& moment, RestorePoint& point,
                std::stop_token stop) {
  const std::int64_t boundary = last_boundary(point);
  if (boundary == point.offset) {
    return;
  }
  aof::Framer framer(boundary, std::nullopt);
  Timestamp safe_at = arrival_in(point.window, boundary);
  Progress not_shown;
  read_log(
      catalog, point.window, boundary, point.offset,
      [&](ByteView raw, Timestamp arrived) {
        const std::int64_t before = framer.safe();
        feed(framer, raw);
        safe_at = framer.safe() == before ? safe_at : arrived;
      },
      not_shown, std::move(stop));
  if (framer.safe() == point.offset) {
    return;
  }
  if (moment.kind == Moment::Kind::offset) {
    point.notes.push_back(fmt::format(
        "offset {} is within a command or transaction; this is offset {}, the last one before it "
        "at which the log can be cut",
        point.offset, framer.safe()));
  }
  point.offset = framer.safe();
  point.at = safe_at;
}

}  // namespace keyrewind::restore
