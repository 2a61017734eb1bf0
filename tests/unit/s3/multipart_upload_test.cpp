#include "s3/multipart_upload.h"

#include "base/error.h"
#include "fake_s3.h"
#include "s3/abandoned_uploads.h"
#include "support/manual_clock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <set>
#include <thread>

namespace keyrewind::s3 {
namespace {

using namespace std::chrono_literals;
using test::FakeS3;
using test::HttpFault;
using test::HttpRequest;
using test::on_object;
using test::with_query;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

/// No two parts of it are alike.
std::string content(std::size_t bytes) {
  std::string text;
  for (std::size_t i = 0; text.size() < bytes; ++i) {
    text += fmt::format("{:07} ", i);
  }
  text.resize(bytes);
  return text;
}

class MultipartUploadTest : public testing::Test {
 protected:
  std::shared_ptr<Objects> objects() {
    if (!objects_) {
      objects_ = std::make_shared<Objects>(options_, clock_);
    }
    return objects_;
  }

  std::unique_ptr<MultipartUpload> begin(std::stop_token stop = {}) {
    return std::make_unique<MultipartUpload>(objects(), "a", plan_, stop);
  }

  /// A whole upload of so many bytes.
  store::StoredBytes upload(std::size_t bytes) {
    const auto upload = begin();
    upload->append(as_bytes(content(bytes)));
    return upload->complete();
  }

  Error failure_of(const std::function<void()>& call) {
    try {
      call();
    } catch (const Error& error) {
      return error;
    }
    ADD_FAILURE() << "nothing was thrown";
    return {ErrorKind::internal, ""};
  }

  std::vector<HttpRequest> parts() { return fake_.requests(with_query("PUT", "partNumber=")); }

  bool is_stored(std::size_t bytes) {
    const auto object = fake_.object("a");
    return object && object->content == content(bytes);
  }

  FakeS3 fake_;
  S3Options options_ = fake_.options();
  PartPlan plan_{.connections = 3, .bytes = 1000};
  test::ManualClock clock_{*from_rfc3339("2026-11-20T13:02:21Z")};
  std::shared_ptr<Objects> objects_;
};

const auto kPart = with_query("PUT", "partNumber=");
const auto kCreate = with_query("POST", "uploads=");
const auto kComplete = with_query("POST", "uploadId=");

TEST_F(MultipartUploadTest, PutsWhatIsOnePartWithOneRequest) {
  for (const std::size_t bytes : {0U, 1U, 1000U}) {
    upload(bytes);

    EXPECT_TRUE(is_stored(bytes)) << bytes;
    EXPECT_THAT(fake_.requests(kCreate), IsEmpty());
    objects()->remove("a", {});
  }
}

TEST_F(MultipartUploadTest, SendsMoreInPartsOfOneSize) {
  upload(3500);

  EXPECT_TRUE(is_stored(3500));
  std::multiset<std::size_t> sizes;
  for (const HttpRequest& part : parts()) {
    sizes.insert(part.body.size());
  }
  EXPECT_THAT(sizes, ElementsAre(500, 1000, 1000, 1000));
}

TEST_F(MultipartUploadTest, SendsNoEmptyLastPart) {
  upload(2000);

  EXPECT_TRUE(is_stored(2000));
  EXPECT_THAT(parts(), SizeIs(2));
}

TEST_F(MultipartUploadTest, TellsWhatItHasStored) {
  store::StoredDigest digest;
  digest.feed(as_bytes(content(3500)));

  EXPECT_EQ(upload(3500), digest.finish());
}

/// All of them wait for an answer before any gets one.
TEST_F(MultipartUploadTest, SendsPartsSideBySide) {
  fake_.add({.when = kPart, .answer = {.fault = HttpFault::silence}, .times = 3});

  upload(3500);

  EXPECT_TRUE(is_stored(3500));
  std::set<std::size_t> connections;
  const auto sent = parts();
  for (std::size_t i = 0; i < 3; ++i) {
    connections.insert(sent.at(i).connection);
  }
  EXPECT_THAT(connections, SizeIs(3));
}

TEST_F(MultipartUploadTest, SendsAPartAgain) {
  fake_.refuse(kPart, 500, "InternalError");
  fake_.refuse(kPart, 400, "XAmzContentSHA256Mismatch");
  fake_.lose_answer(kPart);
  fake_.break_off(kPart, HttpFault::reset_in_body);

  upload(5500);

  EXPECT_TRUE(is_stored(5500));
}

TEST_F(MultipartUploadTest, EndsWithTheFirstFailureOfAPart) {
  fake_.refuse(kPart, 403, "AccessDenied", 100);
  auto upload = begin();

  const Error error = failure_of([&] {
    for (int i = 0; i < 1000; ++i) {
      upload->append(as_bytes(content(500)));
    }
  });
  EXPECT_EQ(error.kind(), ErrorKind::denied);
  EXPECT_THAT(error.what(), AllOf(HasSubstr("put_part a"), HasSubstr("s3:PutObject")));

  upload.reset();
  EXPECT_EQ(fake_.upload_count(), 0);
}

TEST_F(MultipartUploadTest, DoesNotCompleteWithoutAPart) {
  const auto upload = begin();
  upload->append(as_bytes(content(1500)));
  fake_.refuse(kPart, 403, "AccessDenied", 100);

  EXPECT_EQ(failure_of([&] { upload->complete(); }).kind(), ErrorKind::denied);

  EXPECT_FALSE(fake_.object("a"));
  EXPECT_THAT(fake_.requests(kComplete), IsEmpty());
}

TEST_F(MultipartUploadTest, SendsLargerPartsTowardsTheEnd) {
  plan_ = {.connections = 2,
           .bytes = 1000,
           .parts_side_by_side = 3,
           .later_bytes = 4000,
           .most_parts = 5};

  upload(11'000);

  EXPECT_TRUE(is_stored(11'000));
  std::vector<std::size_t> sizes;  // As they arrived: they are sent side by side.
  for (const HttpRequest& part : parts()) {
    sizes.push_back(part.body.size());
  }
  EXPECT_THAT(sizes, testing::UnorderedElementsAre(1000, 1000, 1000, 4000, 4000));
}

TEST_F(MultipartUploadTest, SaysWhenAnObjectHasTooManyParts) {
  plan_ = {.connections = 2,
           .bytes = 1000,
           .parts_side_by_side = 3,
           .later_bytes = 4000,
           .most_parts = 5};

  const Error error = failure_of([&] { upload(11'001); });

  EXPECT_EQ(error.kind(), ErrorKind::failed);
  EXPECT_THAT(error.what(), HasSubstr("more than 5 parts"));
  EXPECT_EQ(fake_.upload_count(), 0);
}

TEST_F(MultipartUploadTest, ReplacesNothing) {
  fake_.put("a", "first");

  for (const std::size_t bytes : {10U, 3500U}) {
    const Error error = failure_of([&] { upload(bytes); });
    EXPECT_EQ(error.kind(), ErrorKind::failed);
    EXPECT_THAT(error.what(), HasSubstr("object a is there already"));
  }

  EXPECT_EQ(fake_.object("a")->content, "first");
  EXPECT_EQ(fake_.upload_count(), 0);
}

TEST_F(MultipartUploadTest, CompletesAgainAfterAFailureInTheAnswersBody) {
  fake_.add({.when = kComplete, .answer = FakeS3::error(200, "InternalError")});

  upload(3500);

  EXPECT_TRUE(is_stored(3500));
  EXPECT_THAT(fake_.requests(kComplete), SizeIs(2));
}

TEST_F(MultipartUploadTest, FailsWithAFailureInTheAnswersBody) {
  fake_.add({.when = kComplete, .answer = FakeS3::error(200, "InvalidPart")});

  EXPECT_THAT(failure_of([&] { upload(3500); }).what(), HasSubstr("InvalidPart"));

  EXPECT_FALSE(fake_.object("a"));
  EXPECT_EQ(fake_.upload_count(), 0);
}

TEST_F(MultipartUploadTest, KnowsItsOwnObjectWhenTheAnswerWasLost) {
  fake_.lose_answer(kComplete);

  upload(3500);

  EXPECT_TRUE(is_stored(3500));
}

TEST_F(MultipartUploadTest, WaitsForACompletionThatTakesItsTime) {
  options_.stall_timeout = 50ms;
  fake_.add({.when = kComplete,
             .answer = {.fault = HttpFault::drip},
             .carried_out = true,
             .true_answer = true});

  upload(3500);

  EXPECT_THAT(fake_.requests(kComplete), SizeIs(1));
}

/// Somebody removed the upload as abandoned.
TEST_F(MultipartUploadTest, FailsWhenItsUploadIsGone) {
  const auto upload = begin();
  upload->append(as_bytes(content(3500)));
  fake_.refuse(kComplete, 404, "NoSuchUpload");

  EXPECT_EQ(failure_of([&] { upload->complete(); }).kind(), ErrorKind::failed);

  EXPECT_FALSE(fake_.object("a"));
}

/// An earlier try of ours is not what made the object appear.
TEST_F(MultipartUploadTest, DoesNotTakeAnothersObjectForItsOwn) {
  fake_.refuse([&](const HttpRequest& request) { return kComplete(request); }, 500,
               "InternalError");
  fake_.refuse(kComplete, 404, "NoSuchUpload");
  const auto upload = begin();
  upload->append(as_bytes(content(3500)));
  fake_.add({.when = on_object("HEAD", "a"), .answer = {.status = 404}});
  fake_.put("a", content(3500));

  const Error error = failure_of([&] { upload->complete(); });

  EXPECT_EQ(error.kind(), ErrorKind::failed);
  EXPECT_THAT(error.what(), HasSubstr("somebody else"));
  EXPECT_TRUE(is_stored(3500));
}

TEST_F(MultipartUploadTest, RemovesAnObjectThatBecameAnotherSize) {
  // One part is acknowledged, and not there.
  fake_.add(
      {.when = with_query("PUT", "partNumber=2"), .answer = {.headers = {{"ETag", "\"x\""}}}});

  const Error error = failure_of([&] { upload(3500); });

  EXPECT_EQ(error.kind(), ErrorKind::corrupt);
  EXPECT_THAT(error.what(), HasSubstr("has 2500 bytes at the store, of 3500 that were sent"));
  EXPECT_FALSE(fake_.object("a"));
}

TEST_F(MultipartUploadTest, IsAbortedWhenItIsDropped) {
  {
    const auto upload = begin();
    upload->append(as_bytes(content(3500)));
    EXPECT_EQ(fake_.upload_count(), 1);
  }

  EXPECT_EQ(fake_.upload_count(), 0);
  EXPECT_FALSE(fake_.object("a"));
}

TEST_F(MultipartUploadTest, IsAbortedWhenItIsStopped) {
  std::stop_source stop;
  {
    const auto upload = begin(stop.get_token());
    upload->append(as_bytes(content(3500)));
    stop.request_stop();

    EXPECT_EQ(failure_of([&] { upload->append(as_bytes("x")); }).kind(), ErrorKind::cancelled);
    EXPECT_EQ(failure_of([&] { upload->complete(); }).kind(), ErrorKind::cancelled);
  }

  EXPECT_EQ(fake_.upload_count(), 0);
}

TEST_F(MultipartUploadTest, IsStoppedWhileItsPartsHang) {
  options_.stall_timeout = 20s;
  fake_.add({.when = kPart, .answer = {.fault = HttpFault::silence}, .times = 100});
  std::stop_source stop;
  const auto upload = begin(stop.get_token());
  std::jthread stopper([&] {
    fake_.server().wait_for_requests(2);
    stop.request_stop();
  });

  const auto began = std::chrono::steady_clock::now();
  EXPECT_EQ(failure_of([&] { upload->append(as_bytes(content(20'000))); }).kind(),
            ErrorKind::cancelled);
  EXPECT_LT(std::chrono::steady_clock::now() - began, 10s);
}

TEST_F(MultipartUploadTest, LeavesNothingWhereTheStoreDoesNotAnswerItsAbort) {
  fake_.refuse(with_query("DELETE", "uploadId="), 403, "AccessDenied");

  begin()->append(as_bytes(content(3500)));

  EXPECT_EQ(fake_.upload_count(), 1);
  EXPECT_EQ(abort_uploads(*objects(), "", [](const auto&) { return true; }, {}), 1);
}

/// Each try may have begun an upload of its own.
TEST_F(MultipartUploadTest, LeavesNoUploadOfALostAnswer) {
  fake_.lose_answer(kCreate);
  upload(3500);
  EXPECT_EQ(fake_.upload_count(), 0);
  EXPECT_TRUE(is_stored(3500));
  objects()->remove("a", {});

  fake_.lose_answer(kCreate);
  begin()->append(as_bytes(content(3500)));
  EXPECT_EQ(fake_.upload_count(), 0);
}

TEST_F(MultipartUploadTest, BeginsAgainAfterAnAnswerThatIsNone) {
  fake_.add({.when = kCreate, .answer = {.body = "<html/>"}});

  upload(3500);

  EXPECT_TRUE(is_stored(3500));
}

}  // namespace
}  // namespace keyrewind::s3
