#pragma once

#include <cstddef>
#include <string>

namespace keyrewind {

/// `bytes` random bytes from the kernel as lower-case hexadecimal, twice as many digits.
std::string random_hex(std::size_t bytes);

}  // namespace keyrewind
