#include "base/secret.h"

#include <string.h>

namespace keyrewind {

void Secret::wipe() noexcept {
  // explicit_bzero: a plain loop before the end of a lifetime may be optimised away.
  value_.resize(value_.capacity());
  explicit_bzero(value_.data(), value_.size());
  value_.clear();
}

}  // namespace keyrewind
