#pragma once

#include "s3/objects.h"
#include "store/object_store.h"

#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

/// Many objects at once.
namespace keyrewind::s3 {

/// All objects whose names begin with `prefix`, in byte order of their names. What no Keyrewind has
/// put there, by its name, is left out.
std::vector<store::ObjectInfo> list_objects(Objects& objects, const std::string& prefix,
                                            const std::stop_token& stop);

/// Whether there is nothing but what is in `folder`, which ends in a slash.
bool holds_nothing_but(Objects& objects, std::string_view folder, const std::stop_token& stop);

/// Removes objects, 1000 with each request where the store takes that.
void remove_objects(Objects& objects, const std::vector<std::string>& names,
                    const std::stop_token& stop);

}  // namespace keyrewind::s3
