#include "catalog/usage.h"

#include "catalog/names.h"

#include <utility>

namespace keyrewind::catalog {

Usage measure_usage(const Catalog& catalog, std::stop_token stop) {
  Usage usage;
  for (const store::ObjectInfo& object :
       catalog.store().list(names::source(catalog.source()), std::move(stop))) {
    ++usage.objects;
    usage.bytes += object.bytes;
    (names::is_of_agent(object.name) ? usage.log_bytes : usage.backup_bytes) += object.bytes;
  }
  return usage;
}

}  // namespace keyrewind::catalog
