#pragma once

#include "s3/objects.h"

#include <stop_token>

namespace keyrewind::s3 {

/// Finds out whether a store's conditional writes can be trusted, in both directions: that they
/// refuse what they should, and do what they should. (In versioned buckets Ceph RGW lets every
/// creator win and refuses every If-Match; Swift answers 501; RGW takes an ETag without its quotes
/// only.) Writes an object of a fresh name under "leases/" and removes it. Throws what `Requests`
/// does.
Conditions probe_conditions(Objects& objects, std::stop_token stop);

}  // namespace keyrewind::s3
