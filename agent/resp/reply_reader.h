#pragma once

#include "base/bytes.h"
#include "resp/reply.h"

#include <memory>
#include <optional>

struct redisReader;

namespace keyrewind::resp {

/// Cuts the bytes of a connection into replies, however they arrive.
class ReplyReader {
 public:
  ReplyReader();

  void feed(ByteView bytes);

  /// The next whole reply, or nothing if more bytes are needed.
  /// Throws Error(Side::source, protocol) if what was fed is not RESP2 or nests or grows beyond
  /// reason (more than 64 MiB in one reply).
  std::optional<Reply> next();

 private:
  struct Free {
    void operator()(redisReader* reader) const noexcept;
  };

  std::unique_ptr<redisReader, Free> reader_;
};

}  // namespace keyrewind::resp
