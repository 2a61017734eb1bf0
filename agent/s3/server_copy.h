#pragma once

#include "s3/objects.h"

#include <cstdint>
#include <stop_token>
#include <string>

namespace keyrewind::s3 {

/// How large an object may be to be copied by one request, and the parts of one that is larger.
struct CopyPlan {
  std::uint64_t most_at_once = std::uint64_t{5} << 30U;
  std::uint64_t part_bytes = std::uint64_t{1} << 30U;
};

/// Copies the object `name` of `from` to `to` without its bytes passing through here: one request,
/// or a multipart upload of ranges for large ones. Returns false, having changed nothing, if the
/// store does not do that. See ObjectStore::copy_within.
bool copy_object(Objects& from, Objects& to, const std::string& name, const CopyPlan& plan,
                 const std::stop_token& stop);

}  // namespace keyrewind::s3
