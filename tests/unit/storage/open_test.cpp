#include "storage/open.h"

#include "base/clock.h"
#include "base/error.h"
#include "support/temp_dir.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <cstdint>
#include <string>
#include <vector>

namespace keyrewind::storage {
namespace {

constexpr const char* kRecipient = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";

class Open : public testing::Test {
 protected:
  const test::TempDir dir_;
  const std::string url_ = "file://" + dir_.path().string();
  const SystemClock clock_{};
};

TEST_F(Open, MakesAStoreOfFiles) {
  const auto store = open({.url = url_}, clock_);

  EXPECT_EQ(store->url(), url_);
  EXPECT_FALSE(store->encrypts());
  EXPECT_TRUE(store->put_if_absent("a", as_bytes("x"), {}));
  EXPECT_EQ(store->get("a", 10, {}), Bytes(1, std::byte{'x'}));
}

TEST_F(Open, ReportsRequestsToFilesAsTheyAreStored) {
  std::vector<std::string> reports;
  std::uint64_t sent = 0;
  const auto store =
      open({.url = url_,
            .recipients = {codec::AgeRecipient(kRecipient)},
            .observer =
                [&](const store::RequestReport& report) {
                  reports.push_back(fmt::format("{} {}", report.operation, report.result));
                  sent += report.sent;
                }},
           clock_);
  store->put_if_absent("a.age", as_bytes("x"), {});
  store->head("b", {});

  EXPECT_THAT(reports, testing::ElementsAre("put ok", "head missing"));
  EXPECT_GT(sent, 100U) << "a header of age is longer than what it is put before";
}

TEST_F(Open, ContactsNothing) {
  EXPECT_NO_THROW(open({.url = "file:///no/such/folder/anywhere"}, clock_));
}

TEST_F(Open, EncryptsForTheRecipients) {
  const auto store = open({.url = url_, .recipients = {codec::AgeRecipient(kRecipient)}}, clock_);

  ASSERT_TRUE(store->encrypts());
  EXPECT_TRUE(store->put_if_absent("a.age", as_bytes("hunter2"), {}));
  const auto stored = store->stored().get("a.age", 1000, {});
  ASSERT_TRUE(stored.has_value());
  EXPECT_THAT(std::string(as_text(*stored)), testing::StartsWith("age-encryption.org/v1\n"));
  EXPECT_THAT(std::string(as_text(*stored)), testing::Not(testing::HasSubstr("hunter2")));
}

TEST_F(Open, MakesAStoreOfABucket) {
  const auto store = open({.url = "s3://backups/prod/"}, clock_);

  EXPECT_EQ(store->url(), "s3://backups/prod");
}

TEST_F(Open, RefusesOtherUrls) {
  EXPECT_THROW(open({.url = "gs://bucket"}, clock_), Error);
}

}  // namespace
}  // namespace keyrewind::storage
