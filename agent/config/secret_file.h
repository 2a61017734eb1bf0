#pragma once

#include "base/secret.h"

#include <string>
#include <string_view>

namespace keyrewind::config {

/// What the file that `option` names holds, byte for byte. Throws Error(config) that names the
/// option and the file if it cannot be read, is empty or is larger than 64 KiB.
Secret read_secret_file(std::string_view option, const std::string& file);

/// The same as a line of text: without a newline at its end.
Secret read_secret_line(std::string_view option, const std::string& file);

}  // namespace keyrewind::config
