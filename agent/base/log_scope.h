#pragma once

#include "base/log.h"

namespace keyrewind::log {

/// While it lives, every line of the thread that made it has this field, too, unless the line has
/// one of that name itself: what belongs to one backup can be found by its id. It ends in that
/// thread, and before those that were made before it.
class Scope {
 public:
  explicit Scope(Field field);
  ~Scope();
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;

  const Field& field() const noexcept { return field_; }
  const Scope* outer() const noexcept { return outer_; }

 private:
  const Field field_;
  const Scope* const outer_;
};

}  // namespace keyrewind::log
