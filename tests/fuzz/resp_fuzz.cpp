// Feeds bytes to the reader of replies whole, and again in pieces whose sizes the input chooses;
// both must find the same replies and the same failure.

#include "base/error.h"
#include "resp/reply_reader.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <vector>

namespace {

using keyrewind::ByteView;

struct Outcome {
  std::vector<keyrewind::resp::Reply> replies;
  bool failed = false;

  bool operator==(const Outcome&) const = default;
};

Outcome read(ByteView bytes, std::size_t piece) {
  Outcome outcome;
  keyrewind::resp::ReplyReader reader;
  try {
    while (!bytes.empty()) {
      const ByteView head = bytes.first(std::min(piece, bytes.size()));
      reader.feed(head);
      bytes = bytes.subspan(head.size());
      while (auto reply = reader.next()) {
        outcome.replies.push_back(std::move(*reply));
      }
    }
  } catch (const keyrewind::Error&) {
    outcome.failed = true;
  }
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  const std::size_t piece = 1 + data[0] % 64;
  const ByteView bytes = std::as_bytes(std::span(data, size)).subspan(1);
  if (read(bytes, bytes.size()) != read(bytes, piece)) {
    std::abort();
  }
  return 0;
}
