#include "copies/object_copy.h"

#include "base/error.h"
#include "codec/sha256.h"
#include "flow/read_ahead.h"
#include "store/stored_digest.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <span>
#include <utility>

namespace keyrewind::copies {
namespace {

/// A large object is read this far ahead of its upload.
constexpr std::size_t kPieces = 3;

Error corrupt(const std::string& why) {
  return {Side::repository, ErrorKind::corrupt, why};
}

/// Compares bytes with the stretches that they must be, as they go by.
class StretchCheck {
 public:
  explicit StretchCheck(std::span<const Stretch> stretches) : left_(stretches) {}

  void feed(ByteView bytes) {
    while (!bytes.empty() && !left_.empty()) {
      const auto part = bytes.first(static_cast<std::size_t>(
          std::min<std::uint64_t>(bytes.size(), left_.front().bytes - fed_)));
      sha256_.feed(part);
      fed_ += part.size();
      bytes = bytes.subspan(part.size());
      if (fed_ == left_.front().bytes) {
        end_stretch();
      }
    }
  }

  /// The bytes have ended.
  void finish() const {
    if (!left_.empty()) {
      throw corrupt(fmt::format("it ends at byte {}", begin_ + fed_));
    }
  }

 private:
  void end_stretch() {
    if (sha256_.hex_digest() != left_.front().sha256) {
      throw corrupt(fmt::format("its bytes from {} to {} are damaged", begin_, begin_ + fed_));
    }
    begin_ += std::exchange(fed_, 0);
    left_ = left_.subspan(1);
  }

  std::span<const Stretch> left_;
  codec::Sha256 sha256_;
  std::uint64_t begin_ = 0;  ///< Of the first stretch that is left.
  std::uint64_t fed_ = 0;    ///< Of it.
};

void check_whole(ByteView content, const Wanted& wanted) {
  if (content.size() != wanted.bytes) {
    throw corrupt(fmt::format("it has {} bytes instead of {}", content.size(), wanted.bytes));
  }
  StretchCheck check(wanted.stretches);
  check.feed(content);
  check.finish();
  if (wanted.check) {
    wanted.check(content);
  }
}

/// Whether just this object stands at the target: never another one of the same name. Its bytes
/// were checked before it appeared.
bool stands(const store::ObjectStore& to, const std::string& name, std::uint64_t bytes,
            const std::stop_token& stop) {
  const auto there = to.head(name, stop);
  if (there && there->bytes != bytes) {
    throw corrupt(fmt::format("{} has {} bytes in {} instead of {}; remove it there", name,
                              there->bytes, to.url(), bytes));
  }
  return there.has_value();
}

/// Removes what has appeared and is wrong.
[[noreturn]] void take_back(store::ObjectStore& to, const std::string& name, const std::string& why,
                            const std::stop_token& stop) {
  to.remove(name, stop);
  throw corrupt(why);
}

bool copy_among_stores(const Sides& sides, const Wanted& wanted, Progress& progress,
                       const std::stop_token& stop) {
  if (!sides.to.copy_within(sides.from, wanted.name, stop)) {
    return false;
  }
  const auto copied = sides.to.head(wanted.name, stop);
  if (!copied || copied->bytes != wanted.bytes) {
    take_back(sides.to, wanted.name,
              fmt::format("the store copied {} of its {} bytes", copied ? copied->bytes : 0,
                          wanted.bytes),
              stop);
  }
  progress.bytes += wanted.bytes;
  return true;
}

Taken copy_at_once(const Sides& sides, const Wanted& wanted, Progress& progress,
                   const std::stop_token& stop) {
  const std::optional<Bytes> content = sides.from.get(wanted.name, wanted.bytes, stop);
  if (!content) {
    return Taken::gone;
  }
  check_whole(*content, wanted);
  const Taken taken = put_object(sides.to, wanted.name, *content, stop);
  progress.bytes += content->size();
  return taken;
}

void copy_in_pieces(const Sides& sides, const Wanted& wanted, Progress& progress,
                    const std::stop_token& stop) {
  const std::uint64_t count = (wanted.bytes + sides.at_once - 1) / sides.at_once;
  flow::ReadAhead<Bytes> pieces(
      {.name = "copy-read", .threads = kPieces - 1, .buffers = kPieces}, count,
      [&](std::uint64_t number, Bytes& into, const std::stop_token& inner) {
        const std::uint64_t begin = number * sides.at_once;
        into.resize(static_cast<std::size_t>(std::min(sides.at_once, wanted.bytes - begin)));
        sides.from.read(wanted.name, begin, into, inner);
      },
      stop);
  const auto upload = sides.to.upload(wanted.name, stop);
  StretchCheck check(wanted.stretches);
  store::StoredDigest digest;
  while (const auto piece = pieces.next(stop)) {
    check.feed(**piece);
    digest.feed(**piece);
    upload->append(**piece);
    progress.bytes += (*piece)->size();
  }
  check.finish();
  const store::StoredBytes sent = digest.finish();
  if (upload->complete() != sent) {
    take_back(sides.to, wanted.name, "it was not stored as it was sent", stop);
  }
}

Taken transfer(const Sides& sides, const Wanted& wanted, Progress& progress,
               const std::stop_token& stop) {
  if (copy_among_stores(sides, wanted, progress, stop)) {
    return Taken::copied;
  }
  if (wanted.bytes <= sides.at_once) {
    return copy_at_once(sides, wanted, progress, stop);
  }
  copy_in_pieces(sides, wanted, progress, stop);
  return Taken::copied;
}

/// What a failure means, if the two stores can say so: nothing if it is one.
std::optional<Taken> explain_failure(const Sides& sides, const Wanted& wanted,
                                     const std::stop_token& stop) {
  if (stands(sides.to, wanted.name, wanted.bytes, stop)) {
    return Taken::there;
  }
  return sides.from.head(wanted.name, stop) ? std::nullopt : std::optional(Taken::gone);
}

}  // namespace

Taken copy_object(const Sides& sides, const Wanted& wanted, Progress& progress,
                  std::stop_token stop) {
  try {
    try {
      return transfer(sides, wanted, progress, stop);
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::cancelled) {
        throw;
      }
      const Error first = error;
      std::optional<Taken> taken;
      try {
        taken = explain_failure(sides, wanted, stop);
      } catch (const Error& second) {
        throw second.kind() == ErrorKind::corrupt ? second : first;
      }
      if (!taken) {
        throw;
      }
      return *taken;
    }
  } catch (Error& error) {
    error.add_context("copy " + wanted.name);
    throw;
  }
}

Taken put_object(store::ObjectStore& to, const std::string& name, ByteView content,
                 std::stop_token stop) {
  if (to.put_if_absent(name, content, stop)) {
    return Taken::copied;
  }
  if (stands(to, name, content.size(), stop)) {
    return Taken::there;
  }
  throw Error(Side::repository, ErrorKind::unavailable,
              fmt::format("{} was removed from {} just now", name, to.url()));
}

}  // namespace keyrewind::copies
