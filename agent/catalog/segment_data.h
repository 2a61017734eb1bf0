#pragma once

#include "base/bytes.h"
#include "catalog/segment.h"
#include "store/object_store.h"

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>

namespace keyrewind::catalog {

/// The index with all that it has: `segment` itself, or, of an encrypted one, what stands in the
/// object. Throws Error(Side::repository, corrupt) if that does not fit `segment`, and what the
/// store throws if it can't be decrypted.
Segment read_whole_index(const store::ObjectStore& store, const std::string& object,
                         const Segment& segment, std::stop_token stop);

/// Reads the raw bytes of a segment in order and in bounded memory, from the frame that holds the
/// offset `from` on: `take` gets a frame's content and the offset before its first byte. Each frame
/// is checked against its SHA-256 before it is inflated, and each link of the chain that is read
/// whole against the raw bytes.
///
/// Throws Error(Side::repository, corrupt), naming the object, if a byte of it is wrong or it is
/// gone; what `take` had got by then ends before the damage.
void read_segment_data(const store::ObjectStore& store, const std::string& object,
                       const Segment& segment, std::int64_t from,
                       const std::function<void(ByteView raw, std::int64_t begin)>& take,
                       std::stop_token stop);

}  // namespace keyrewind::catalog
