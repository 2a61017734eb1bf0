#pragma once

#include "store/object_store.h"

#include <memory>
#include <string>

namespace keyrewind::store {

/// The store behind `url`: "file:///absolute/folder" today. It is not contacted yet.
/// Throws Error(config) for any other URL, saying what is accepted.
std::unique_ptr<ObjectStore> open_store(const std::string& url);

}  // namespace keyrewind::store
