#include "catalog/usage.h"

#include "catalog/names.h"

#include <utility>

namespace keyrewind::catalog {

Usage measure_usage(const Catalog& catalog, std::stop_token stop) {
  Usage usage;
  catalog.store().visit(
      names::source(catalog.source()),
      [&](const store::ObjectInfo& object) {
        ++usage.objects;
        usage.bytes += object.bytes;
        (names::is_of_agent(object.name) ? usage.log_bytes : usage.backup_bytes) += object.bytes;
      },
      std::move(stop));
  return usage;
}

}  // namespace keyrewind::catalog
