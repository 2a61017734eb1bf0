// Segment indexes, events and the names of both: whatever a repository holds, reading it ends in a
// value or in Error(corrupt | incompatible). What was read can be written, and is then read as the
// same. The first byte of an input says what the rest is.

#include "base/bytes.h"
#include "base/error.h"
#include "catalog/log.h"
#include "catalog/names.h"
#include "catalog/segment.h"
#include "codec/sha256.h"
#include "codec/zstd_frame.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <span>
#include <string>

namespace {

using keyrewind::as_bytes;
using keyrewind::as_text;
using keyrewind::Bytes;
using keyrewind::ByteView;
using keyrewind::ErrorKind;
using keyrewind::catalog::decode_segment_index;
using keyrewind::catalog::Segment;
using keyrewind::catalog::SegmentTail;

void require(bool holds) {
  if (!holds) {
    std::abort();
  }
}

void put_number(Bytes& out, std::uint64_t number, int bytes) {
  for (int i = 0; i < bytes; ++i) {
    out.push_back(static_cast<std::byte>(number >> (8 * i)));
  }
}

void put(Bytes& out, ByteView bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
}

/// An index with sound digests around any JSON: no fuzzer finds those.
Bytes index_around(ByteView json) {
  Bytes frame;
  keyrewind::codec::FrameCompressor(1).compress(json, frame);
  keyrewind::codec::Sha256 hash;
  hash.feed(frame);
  Bytes index;
  put_number(index, 0x184D2A5C, 4);
  put_number(index, frame.size() + 52, 4);
  put(index, frame);
  put(index, hash.digest());
  put_number(index, frame.size(), 8);
  put_number(index, 1, 4);
  put(index, as_bytes("KRWSEGMT"));
  return index;
}

void try_index(ByteView tail) {
  const std::optional<Segment> segment = decode_segment_index(tail).segment;
  if (!segment) {
    return;
  }
  require(decode_segment_index(encode_segment_index(*segment)).segment == segment);
  require(arrival(*segment, segment->begin) <= keyrewind::Timestamp::max());
  require(chain_end(*segment) != segment->previous);
}

void try_event(ByteView json) {
  const keyrewind::catalog::Event event = keyrewind::catalog::decode_event(json);
  require(keyrewind::catalog::decode_event(as_bytes(encode(event))) == event);
}

void try_name(ByteView text) {
  namespace names = keyrewind::catalog::names;
  const std::string name(as_text(text));
  if (const auto segment = names::parse_segment("orders", "0", name)) {
    require(names::segment("orders", "0", *segment) == name && names::is_of_agent(name));
  }
  if (const auto event = names::parse_event("orders", "0", name)) {
    require(names::event("orders", "0", event->lineage, event->id) == name &&
            names::is_of_agent(name));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  const ByteView input = std::as_bytes(std::span(data, size)).subspan(1);
  try {
    switch (data[0] % 4) {
      case 0:
        try_index(input);
        break;
      case 1:
        try_index(index_around(input));
        break;
      case 2:
        try_event(input);
        break;
      default:
        try_name(input);
        break;
    }
  } catch (const keyrewind::Error& error) {
    require(error.kind() == ErrorKind::corrupt || error.kind() == ErrorKind::incompatible);
  }
  return 0;
}
