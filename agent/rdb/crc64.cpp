#include "rdb/crc64.h"

#include <isa-l/crc64.h>

namespace keyrewind::rdb {

std::uint64_t crc64(ByteView bytes, std::uint64_t crc) noexcept {
  // ISA-L inverts the value before and after; Redis does not.
  return ~crc64_jones_refl(~crc, reinterpret_cast<const unsigned char*>(bytes.data()),
                           bytes.size());
}

}  // namespace keyrewind::rdb
