#pragma once

#include "base/bytes.h"
#include "codec/frame_index.h"
#include "restore/read_options.h"
#include "store/object_store.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

namespace keyrewind::restore {

/// A frame on its way to the reader, valid while that looks at it.
struct PassingFrame {
  ByteView stored;
  ByteView raw;  ///< Empty unless it was to be inflated.
};

/// Reads the frames of an object in order and in bounded memory: `connections` threads fetch
/// neighbouring ones with few large requests, and wait for the network; `threads` others check and
/// inflate them, and keep the processor busy.
class FrameReader {
 public:
  enum class Inflate { no, yes };
  using Consume = std::function<void(const PassingFrame&)>;

  /// `frames` are all those of the object, from its beginning on. `store` must outlive the reader.
  FrameReader(const store::ObjectStore& store, std::string object, std::vector<codec::Frame> frames,
              const ReadOptions& options);

  /// Gives the frames from number `first` on to `consume`, in order, each checked against its
  /// SHA-256. What cannot be fetched is thrown only once all before it was given. Throws
  /// Error(Side::repository, corrupt) that names the object and the frame that is damaged.
  void run(std::size_t first, Inflate inflate, const Consume& consume, std::stop_token stop) const;

 private:
  class Passage;

  /// How the memory is shared out.
  struct Shares {
    std::size_t threads = 1;
    std::size_t raw_buffers = 3;
    std::size_t connections = 1;
    std::size_t runs = 2;  ///< In memory at once.
    std::uint64_t run_bytes = 0;
  };
  Shares share_out(const ReadOptions& options) const;

  const store::ObjectStore& store_;
  const std::string object_;
  const std::vector<codec::Frame> frames_;
  const Shares shares_;
};

}  // namespace keyrewind::restore
