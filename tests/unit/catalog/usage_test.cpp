#include "catalog/usage.h"

#include "sample.h"
#include "store/memory_store.h"
#include "support/manual_clock.h"

#include <gtest/gtest.h>

namespace keyrewind::catalog {
namespace {

TEST(Usage, IsWhatAListingShowsOfTheSource) {
  store::MemoryStore store;
  const test::ManualClock clock(test::sample_time());
  Catalog catalog(store, "orders");
  Writer writer(catalog, clock, {});
  test::write_backup(catalog, writer, clock);
  const SegmentEntry segment = test::put_segment(store, test::sample_segment());
  store.put_if_absent("sources/payments/source.json", as_bytes("another source"), {});

  const Usage usage = measure_usage(catalog, {});

  std::uint64_t bytes = 0;
  for (const store::ObjectInfo& object : store.list("sources/orders/", {})) {
    bytes += object.bytes;
  }
  EXPECT_EQ(usage.objects, 5U);
  EXPECT_EQ(usage.bytes, bytes);
  EXPECT_EQ(usage.log_bytes, segment.bytes);
  EXPECT_EQ(usage.backup_bytes + usage.log_bytes, usage.bytes);
}

TEST(Usage, OfNothingIsNothing) {
  store::MemoryStore store;

  EXPECT_EQ(measure_usage(Catalog(store, "orders"), {}).bytes, 0U);
}

}  // namespace
}  // namespace keyrewind::catalog
