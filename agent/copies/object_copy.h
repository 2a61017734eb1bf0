#pragma once

#include "base/bytes.h"
#include "base/progress.h"
#include "store/object_store.h"

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

/// Brings what a repository holds into another one. Objects are taken as they are stored, under
/// their names: what is encrypted stays so, and no key is needed.
namespace keyrewind::copies {

/// Two repositories as they are stored (ObjectStore::stored), and how one is read.
struct Sides {
  const store::ObjectStore& from;
  store::ObjectStore& to;
  /// Objects of so many bytes are held in memory whole and take one request each way; larger ones
  /// go in pieces of it.
  std::uint64_t at_once = 4U << 20U;
};

/// Bytes that follow those of the stretch before, and what they must be.
struct Stretch {
  std::uint64_t bytes = 0;
  std::string sha256{};  ///< Lower-case hexadecimal.
};

/// Looks at all of an object; throws Error(corrupt) if it is damaged.
using Check = std::function<void(ByteView content)>;

/// An object that is to be taken over, and what is known of it.
struct Wanted {
  std::string name;
  std::uint64_t bytes = 0;
  std::vector<Stretch> stretches{};  ///< Its bytes in order; none: nobody vouches for them.
  Check check{};                     ///< Only of an object that is read at once.
};

/// What came of it. `there`: somebody else has brought it meanwhile, or a lost answer was a yes.
/// `gone`: it was merged or removed at the source meanwhile.
enum class Taken { copied, there, gone };

/// Takes one object over, through this machine only if the stores cannot do it among themselves. It
/// appears whole, and only with the bytes that are vouched for, as far as they pass through here.
/// Memory is bounded: for a large object by some pieces and what its upload takes.
///
/// Throws Error(Side::repository, corrupt) if the object is damaged or arrives damaged, or another
/// one stands in its place, and what the stores throw. `progress` counts bytes.
Taken copy_object(const Sides& sides, const Wanted& wanted, Progress& progress,
                  std::stop_token stop);

/// Puts an object whose content is known, with the same outcomes but for `gone`.
Taken put_object(store::ObjectStore& to, const std::string& name, ByteView content,
                 std::stop_token stop);

}  // namespace keyrewind::copies
