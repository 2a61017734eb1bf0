#include "store/observed_store.h"

#include "base/error.h"
#include "store/memory_store.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace keyrewind::store {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class ObservedStoreTest : public testing::Test {
 protected:
  std::vector<std::string> reports() { return std::exchange(reports_, {}); }

  ObservedStore store_{
      std::make_unique<MemoryStore>(), [this](const RequestReport& report) {
        reports_.push_back(fmt::format("{} {} {} {}", report.operation, report.result, report.sent,
                                       report.received));
      }};

 private:
  std::vector<std::string> reports_;
};

TEST_F(ObservedStoreTest, ReportsWhatBecameOfEachCall) {
  store_.put_if_absent("a", as_bytes("four"), {});
  store_.put_if_absent("a", as_bytes("four"), {});
  EXPECT_THAT(reports(), ElementsAre("put ok 4 0", "put conflict 4 0"));

  store_.get("a", 10, {});
  store_.get("b", 10, {});
  Bytes part(2);
  store_.read("a", 1, part, {});
  EXPECT_THAT(reports(), ElementsAre("get ok 0 4", "get missing 0 0", "get ok 0 2"));

  store_.head("a", {});
  store_.head("b", {});
  store_.list("", {});
  store_.visit("", [](const ObjectInfo&) {}, {});
  store_.empty({});
  EXPECT_THAT(reports(), ElementsAre("head ok 0 0", "head missing 0 0", "list ok 0 0",
                                     "list ok 0 0", "list ok 0 0"));

  const auto version = store_.swap_record("r", as_bytes("new"), std::nullopt, {});
  store_.swap_record("r", as_bytes("newer"), "another", {});
  store_.read_record("r", {});
  store_.read_record("s", {});
  EXPECT_TRUE(version);
  EXPECT_THAT(reports(),
              ElementsAre("put ok 3 0", "put conflict 5 0", "get ok 0 3", "get missing 0 0"));

  store_.remove("a", {});
  store_.remove_all({"b", "c"}, {});
  store_.remove_abandoned_uploads("", [](const std::string&) { return true; }, {});
  EXPECT_THAT(reports(), ElementsAre("delete ok 0 0", "delete ok 0 0", "list ok 0 0"));
}

TEST_F(ObservedStoreTest, ReportsAnUploadAtItsEnd) {
  auto upload = store_.upload("a", {});
  upload->append(as_bytes("four"));
  upload->append(as_bytes("more"));
  EXPECT_THAT(reports(), IsEmpty());
  upload->complete();
  EXPECT_THAT(reports(), ElementsAre("put ok 8 0"));

  store_.upload("b", {})->append(as_bytes("x"));
  EXPECT_THAT(reports(), IsEmpty()) << "it was given up, which is no failure";
}

TEST_F(ObservedStoreTest, ReportsFailuresButNoCancelledCall) {
  Bytes part(2);
  EXPECT_THROW(store_.read("no-such", 0, part, {}), Error);
  EXPECT_THAT(reports(), ElementsAre("get failed 0 0"));

  std::stop_source stop;
  stop.request_stop();
  EXPECT_THROW(store_.get("a", 10, stop.get_token()), Error);
  EXPECT_THAT(reports(), IsEmpty());
}

}  // namespace
}  // namespace keyrewind::store
