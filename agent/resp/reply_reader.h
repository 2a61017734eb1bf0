#pragma once

#include "base/bytes.h"
#include "resp/reply.h"

#include <memory>
#include <optional>

namespace keyrewind::resp {

/// Cuts the bytes of a connection into replies, however they arrive.
class ReplyReader {
 public:
  ReplyReader();
  ~ReplyReader();

  void feed(ByteView bytes);

  /// The next whole reply, or nothing if more bytes are needed.
  /// Throws Error(Side::source, protocol) if what was fed is not RESP2 or nests or grows beyond
  /// reason (more than 64 MiB, or 262144 elements, in one reply). Nothing can be read after that.
  std::optional<Reply> next();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace keyrewind::resp
