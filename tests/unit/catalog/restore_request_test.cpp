#include "catalog/restore_request.h"

#include "base/error.h"
#include "catalog/names.h"
#include "sample.h"
#include "support/manual_clock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <string>

namespace keyrewind::catalog {
namespace {

using test::failure_of;
using testing::HasSubstr;

class RestoreRequestTest : public testing::TestWithParam<test::PlaceFactory> {
 protected:
  RestoreRequest ask(const std::string& backup, const std::string& at = "") {
    return request_restore(catalog_, {.backup = backup, .at = at, .by = "desk"}, "0", clock_, {});
  }
  std::optional<RestoreRequestStatus> newest() { return newest_restore_request(catalog_, {}); }
  void cancel(std::uint64_t number) { cancel_restore_request(catalog_, number, clock_, {}); }
  bool finish(std::uint64_t number) {
    return note_restore_outcome(catalog_, number, "0", outcome(), {});
  }
  void fail(std::uint64_t number, const std::string& error) {
    note_restore_failure(catalog_, number, "0",
                         {.at = clock_.now(), .error = error, .node = "orders-0"}, {});
  }
  RestoreOutcome outcome() const {
    return {.backup = "b1",
            .at = test::sample_time(),
            .offset = 42,
            .bytes = 1000,
            .seconds = 1.5,
            .finished = test::sample_time(),
            .node = "orders-0"};
  }

  test::Place place_ = GetParam().make();
  test::ManualClock clock_{test::sample_time()};
  Catalog catalog_{*place_.store, "orders"};

 private:
  void SetUp() override { place_.store->create(); }
};

INSTANTIATE_TEST_SUITE_P(Stores, RestoreRequestTest,
                         testing::Values(test::PlaceFactory{"memory", test::make_memory},
                                         test::PlaceFactory{"file", test::make_folder}),
                         [](const auto& factory) { return std::string(factory.param.name); });

TEST_P(RestoreRequestTest, IsNotThereUntilSomebodyAsks) {
  EXPECT_EQ(newest(), std::nullopt);
}

TEST_P(RestoreRequestTest, IsPendingOnceAskedFor) {
  const RestoreRequest made = ask("b1", "offset:7");

  const auto found = newest();

  ASSERT_TRUE(found);
  EXPECT_EQ(found->request, made);
  EXPECT_EQ(made.number, 1U);
  EXPECT_EQ(made.created, test::sample_time());
  EXPECT_TRUE(found->is_pending("0"));
}

TEST_P(RestoreRequestTest, RefusesASecondWhileOneIsPending) {
  ask("b1");

  const auto failure = failure_of([&] { ask("b2"); });

  EXPECT_EQ(failure.kind(), ErrorKind::busy);
  EXPECT_THAT(failure.what(), HasSubstr("request 1 is pending"));
  EXPECT_EQ(newest()->request.backup, "b1");
}

TEST_P(RestoreRequestTest, IsDoneOnce) {
  ask("b1");

  EXPECT_TRUE(finish(1));
  EXPECT_FALSE(finish(1));

  const auto found = newest();
  EXPECT_FALSE(found->is_pending("0"));
  EXPECT_TRUE(found->is_pending("1"));
  EXPECT_EQ(found->outcomes.at("0"), outcome());
}

TEST_P(RestoreRequestTest, IsPendingNoMoreOnceCancelled) {
  ask("b1");

  cancel(1);
  cancel(1);

  EXPECT_FALSE(newest()->is_pending("0"));
  EXPECT_EQ(newest()->cancelled, test::sample_time());
}

TEST_P(RestoreRequestTest, NumbersGoOnWhateverTheClockSays) {
  ask("b1");
  cancel(1);
  clock_.advance(-std::chrono::hours(3));
  ask("b2");
  finish(2);

  EXPECT_EQ(ask("b3").number, 3U);

  EXPECT_EQ(newest()->request.backup, "b3");
}

TEST_P(RestoreRequestTest, StaysPendingAfterAFailureAndTellsTheLastOne) {
  ask("b1");
  fail(1, "no room");
  clock_.advance(std::chrono::seconds(10));
  fail(1, "no room");
  clock_.advance(std::chrono::seconds(10));
  fail(1, "damaged");

  const auto found = newest();

  EXPECT_TRUE(found->is_pending("0"));
  EXPECT_EQ(found->failures.at("0").error, "damaged");
  EXPECT_EQ(place_.store->list(names::restore_failures("orders", 1, "0"), {}).size(), 2U);
}

TEST_P(RestoreRequestTest, SaysWhichObjectIsDamaged) {
  const std::string name = names::restore_request("orders", 1);
  place_.store->put_if_absent(name, as_bytes("{}"), {});

  const auto failure = failure_of([&] { newest(); });

  EXPECT_EQ(failure.kind(), ErrorKind::corrupt);
  EXPECT_THAT(failure.what(), HasSubstr(name));
}

TEST_P(RestoreRequestTest, PassesOverNamesThatItDoesNotKnow) {
  ask("b1");
  for (const char* name : {"9.json", "0000000001/0/x.txt", "0000000001.note", "000000000x.json"}) {
    place_.store->put_if_absent(names::restore_requests("orders") + name, as_bytes("x"), {});
  }

  EXPECT_TRUE(newest()->is_pending("0"));
}

}  // namespace
}  // namespace keyrewind::catalog
