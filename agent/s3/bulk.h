#pragma once

#include "s3/objects.h"
#include "store/object_store.h"

#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

/// Many objects at once.
namespace keyrewind::s3 {

/// Gives all objects whose names begin with `prefix` to `take`, a page of 1000 after the other, in
/// the store's order. What no Keyrewind has put there, by its name, is left out.
void list_objects(Objects& objects, const std::string& prefix, const store::TakeObject& take,
                  const std::stop_token& stop);

/// Whether there is nothing but what is in `folder`, which ends in a slash.
bool holds_nothing_but(Objects& objects, std::string_view folder, const std::stop_token& stop);

/// Removes objects, 1000 with each request where the store takes that.
void remove_objects(Objects& objects, const std::vector<std::string>& names,
                    const std::stop_token& stop);

}  // namespace keyrewind::s3
