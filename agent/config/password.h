#pragma once

#include "base/secret.h"
#include "config/config.h"

namespace keyrewind::config {

/// The source's password: the one configured, or what the password file holds now, without a
/// newline at its end; empty if there is neither. Throws Error(config) that names the file if it
/// cannot be read, is empty or is larger than 64 KiB.
Secret load_password(const Config& config);

}  // namespace keyrewind::config
