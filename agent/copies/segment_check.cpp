#include "copies/segment_check.h"

#include "base/error.h"
#include "catalog/names.h"
#include "catalog/segment.h"
#include "codec/sha256.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

namespace keyrewind::copies {
namespace {

/// Nearly every index is within it.
constexpr std::uint64_t kFirstRead = 64U << 10U;

Error corrupt(const std::string& why) {
  return {Side::repository, ErrorKind::corrupt, why};
}

void check_fit(const catalog::Segment& segment, const std::string& name) {
  const auto parsed = catalog::names::parse_segment(segment.source, segment.shard, name);
  if (!parsed || parsed->lineage != segment.lineage || parsed->begin != segment.begin ||
      parsed->end != segment.end ||
      parsed->last != std::chrono::floor<std::chrono::seconds>(segment.marks.back().at)) {
    throw corrupt("its index does not fit its name");
  }
}

/// The stretches of a segment whose last bytes are `tail`; nothing, and how many of them it takes,
/// if those are not all of its index.
std::optional<std::vector<Stretch>> stretches_from(const std::string& name, std::uint64_t bytes,
                                                   ByteView tail, std::uint64_t& needed) {
  const catalog::SegmentTail read = catalog::decode_segment_index(tail);
  if (!read.segment) {
    needed = read.needed;
    return std::nullopt;
  }
  check_fit(*read.segment, name);
  std::vector<Stretch> stretches;
  std::uint64_t total = read.index_bytes;
  for (const codec::Frame& frame : read.segment->frames) {
    stretches.push_back({frame.stored_bytes, to_hex(frame.sha256)});
    total += frame.stored_bytes;
  }
  if (total != bytes) {
    throw corrupt(fmt::format("it has {} bytes where its index wants {}", bytes, total));
  }
  stretches.push_back(
      {read.index_bytes, codec::sha256_hex(tail.last(static_cast<std::size_t>(read.index_bytes)))});
  return stretches;
}

}  // namespace

std::vector<Stretch> segment_stretches(const store::ObjectStore& store, const std::string& name,
                                       std::uint64_t bytes, std::stop_token stop) {
  if (name.ends_with(store::kEncryptedSuffix)) {
    return {};
  }
  std::uint64_t needed = kFirstRead;
  for (std::uint64_t length = 0; length < std::min(needed, bytes);) {
    length = std::min(needed, bytes);
    Bytes tail(static_cast<std::size_t>(length));
    store.read(name, bytes - length, tail, stop);
    if (auto stretches = stretches_from(name, bytes, tail, needed)) {
      return *std::move(stretches);
    }
  }
  throw corrupt(fmt::format("it has {} bytes where its index alone has {}", bytes, needed));
}

void check_segment(const std::string& name, ByteView content) {
  if (name.ends_with(store::kEncryptedSuffix)) {
    return;
  }
  std::uint64_t needed = 0;
  const auto stretches = stretches_from(name, content.size(), content, needed);
  if (!stretches) {
    throw corrupt("it ends within its index");
  }
  for (const Stretch& stretch : *stretches) {
    const auto part = content.first(static_cast<std::size_t>(stretch.bytes));
    if (codec::sha256_hex(part) != stretch.sha256) {
      throw corrupt("one of its frames is damaged");
    }
    content = content.subspan(part.size());
  }
}

void check_plain_index(const std::string& name, ByteView content) {
  const auto segment = catalog::names::segment_of_index(name);
  const catalog::SegmentTail tail = catalog::decode_segment_index(content);
  if (!segment || !tail.segment || tail.segment->held_bytes == 0 ||
      tail.index_bytes != content.size()) {
    throw corrupt("it is not a plain index");
  }
  check_fit(*tail.segment, *segment);
}

}  // namespace keyrewind::copies
