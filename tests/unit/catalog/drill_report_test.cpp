#include "catalog/drill_report.h"

#include "base/error.h"
#include "catalog/names.h"
#include "sample.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace keyrewind::catalog {
namespace {

using test::failure_of;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class DrillReportTest : public testing::Test {
 protected:
  DrillReport record(const std::string& backup, bool ok, int minute) {
    DrillReport report;
    report.backup = backup;
    report.ok = ok;
    report.error = ok ? "" : "segment damaged";
    report.at = test::sample_time();
    report.offset = 99;
    report.lineage = std::string(test::kSampleLineage);
    report.server = "Valkey 8.1.1";
    report.keys = 12;
    report.log_bytes = 3;
    report.started = test::sample_time();
    report.finished = test::sample_time() + std::chrono::minutes(minute);
    report.node = "desk";
    return record_drill(catalog_, report, {});
  }

  test::Place place_ = test::make_memory();
  Catalog catalog_{*place_.store, "orders"};

 private:
  void SetUp() override { place_.store->create(); }
};

TEST_F(DrillReportTest, ComesBackAsItWasRecorded) {
  EXPECT_THAT(read_drills(catalog_, "", 10, {}), IsEmpty());

  const auto first = record("20261120T130221Z-0a1b2c", true, 1);
  const auto second = record("none", false, 2);

  EXPECT_THAT(read_drills(catalog_, "", 10, {}), ElementsAre(first, second));
  EXPECT_THAT(read_drills(catalog_, first.backup, 10, {}), ElementsAre(first));
  EXPECT_THAT(read_drills(catalog_, "", 1, {}), ElementsAre(second));
}

TEST_F(DrillReportTest, PassesOverOtherNamesAndSaysWhatIsDamaged) {
  place_.store->put_if_absent("sources/orders/drills/note.json", as_bytes("x"), {});
  EXPECT_THAT(read_drills(catalog_, "", 10, {}), IsEmpty());

  const std::string name = names::drill("orders", "20261120T130221Z-0a1b2c", "none");
  place_.store->put_if_absent(name, as_bytes("{"), {});

  const auto failure = failure_of([&] { read_drills(catalog_, "", 10, {}); });
  EXPECT_EQ(failure.kind(), ErrorKind::corrupt);
  EXPECT_THAT(failure.what(), HasSubstr(name));
}

}  // namespace
}  // namespace keyrewind::catalog
