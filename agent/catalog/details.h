#pragma once

#include "base/bytes.h"
#include "catalog/manifest.h"

#include <string>

/// What of an encrypted backup is not for everybody's eyes, in an encrypted object of its own:
/// FORMAT.md, section "The details".
namespace keyrewind::catalog {

/// The digests of what `manifest`'s snapshots hold, names in them, and the servers' configuration
/// and users, these with their password hashes.
std::string encode_details(const Manifest& manifest);

/// Fills into `manifest` what `json` holds. Throws Error(corrupt) if that is not what
/// `encode_details` wrote of this backup, Error(incompatible) if its format version is newer.
/// `manifest` is then as it was.
void merge_details(Manifest& manifest, ByteView json);

}  // namespace keyrewind::catalog
