// Whatever the bytes are, and however they arrive: the same summary or the same error.

#include "base/error.h"
#include "rdb/scanner.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <variant>

namespace {

using namespace keyrewind;

using Outcome = std::variant<rdb::Summary, std::string>;

Outcome scan(ByteView rdb, std::size_t piece) {
  try {
    rdb::Scanner scanner;
    while (!rdb.empty()) {
      const ByteView head = rdb.first(std::min(piece, rdb.size()));
      scanner.feed(head);
      rdb = rdb.subspan(head.size());
    }
    return scanner.finish();
  } catch (const Error& error) {
    return error.what();
  }
}

/// The structure is only looked at closely if the checksum does not already say no.
Bytes without_checksum(ByteView rdb) {
  Bytes copy(rdb.begin(), rdb.end());
  std::fill(copy.end() - static_cast<std::ptrdiff_t>(std::min<std::size_t>(8, copy.size())),
            copy.end(), std::byte{0});
  return copy;
}

void check(ByteView rdb) {
  const Outcome whole = scan(rdb, rdb.size());
  for (const std::size_t piece : {1U, 3U, 17U, 64U}) {
    if (scan(rdb, piece) != whole) {
      std::abort();
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView rdb = std::as_bytes(std::span(data, size));
  check(rdb);
  check(without_checksum(rdb));
  return 0;
}
