#pragma once

#include "base/bytes.h"
#include "copies/object_copy.h"
#include "store/object_store.h"

#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

/// What can be told of a segment without the keys to it.
namespace keyrewind::copies {

/// What the index of the plain segment `name`, of `bytes` bytes, vouches for: its frames and the
/// index itself. Nothing for an encrypted one. Throws Error(Side::repository, corrupt) if the index
/// is damaged or does not fit name and size.
std::vector<Stretch> segment_stretches(const store::ObjectStore& store, const std::string& name,
                                       std::uint64_t bytes, std::stop_token stop);

/// The same with the object at hand, and its frames are compared at once.
void check_segment(const std::string& name, ByteView content);

/// Whether `content` may stand as `name`, the plain index of an encrypted segment.
void check_plain_index(const std::string& name, ByteView content);

}  // namespace keyrewind::copies
