#pragma once

#include "s3/objects.h"
#include "store/object_store.h"

#include <cstddef>
#include <stop_token>
#include <string>

namespace keyrewind::s3 {

/// Aborts the multipart uploads of names that begin with `prefix` and for which `which` holds.
/// Returns how many there were.
std::size_t abort_uploads(Objects& objects, const std::string& prefix,
                          const store::WhichNames& which, const std::stop_token& stop);

}  // namespace keyrewind::s3
