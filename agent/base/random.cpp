#include "base/random.h"

#include "base/bytes.h"
#include "base/error.h"

#include <sys/random.h>

#include <cerrno>

namespace keyrewind {

std::string random_hex(std::size_t bytes) {
  Bytes random(bytes);
  if (getrandom(random.data(), random.size(), 0) != static_cast<ssize_t>(random.size())) {
    throw Error(ErrorKind::failed, "read random bytes: " + errno_text(errno));
  }
  return to_hex(random);
}

}  // namespace keyrewind
