#include "s3/s3_store.h"

#include "base/clock.h"
#include "base/error.h"
#include "s3/multipart_upload.h"
#include "s3/server_copy.h"
#include "support/s3_servers.h"
#include "support/tls_files.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <optional>
#include <sstream>
#include <string>

namespace keyrewind::s3 {
namespace {

using namespace std::chrono_literals;
using test::S3Bucket;
using test::S3Server;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

Bytes noise(std::size_t bytes) {
  Bytes content(bytes);
  std::uint32_t state = 1;
  for (std::byte& byte : content) {
    state = state * 1664525 + 1013904223;
    byte = static_cast<std::byte>(state >> 24U);
  }
  return content;
}

/// What the same options do on a real server: Ceph's gateway, unless said otherwise.
class S3OnRgw : public testing::Test {
 protected:
  void SetUp() override {
    test::require_rgw();
    if (IsSkipped() || HasFatalFailure()) {
      return;
    }
    use_bucket({});
  }

  void use_bucket(const test::BucketOptions& bucket_options) {
    bucket_.emplace(S3Server::rgw().new_bucket(bucket_options));
    options_ = options_for(S3Server::rgw(), *bucket_);
  }

  static S3Options options_for(const S3Server& server, const S3Bucket& bucket) {
    S3Options options;
    options.bucket = bucket.name();
    options.prefix = "prefix";
    options.endpoint = server.endpoint();
    options.region = "us-east-1";
    options.path_style = true;
    options.credentials.access_key_id = server.access_key();
    options.credentials.secret_access_key = Secret(server.secret_key());
    options.part_bytes = 5U << 20U;
    options.retry_time = 20s;
    return options;
  }

  S3Store open() const { return S3Store(options_, clock_); }

  static void upload(S3Store& store, const std::string& name, ByteView content) {
    const auto upload = store.upload(name, {});
    upload->append(content);
    upload->complete();
  }

  /// Stores something in each way that there is, and gets it back.
  void expect_all_works() {
    S3Store store = open();
    store.create();
    EXPECT_TRUE(store.put_if_absent("small", as_bytes("content"), {}));
    const Bytes large = noise(12U << 20U);
    upload(store, "large", large);
    EXPECT_EQ(as_text(*store.get("small", 100, {})), "content");
    EXPECT_TRUE(store.get("large", 64U << 20U, {}) == large);
    Bytes into(7);
    store.read("small", 0, into, {});
    EXPECT_EQ(as_text(into), "content");
    EXPECT_EQ(store.head("large", {})->bytes, large.size());
    EXPECT_EQ(store.list("", {}).size(), 2);
  }

  Error failure_of(const std::function<void()>& call) const {
    try {
      call();
    } catch (const Error& error) {
      EXPECT_THAT(error.what(),
                  Not(HasSubstr(std::string(options_.credentials.secret_access_key.reveal()))));
      return error;
    }
    ADD_FAILURE() << "nothing was thrown";
    return {ErrorKind::internal, ""};
  }

  SystemClock clock_;
  std::optional<S3Bucket> bucket_;
  S3Options options_;
};

TEST_F(S3OnRgw, NamesTheBucketInTheHost) {
  const std::string endpoint = S3Server::rgw().endpoint();
  options_.path_style = false;
  options_.endpoint = "http://localhost" + endpoint.substr(endpoint.rfind(':'));

  expect_all_works();
}

TEST_F(S3OnRgw, SpeaksTls) {
  const test::TlsFiles files;
  const std::filesystem::path both = files / "both.pem";
  std::ofstream(both) << std::ifstream(files.server_cert()).rdbuf()
                      << std::ifstream(files.server_key()).rdbuf();
  const test::RgwGateway gateway(both);
  options_.endpoint = gateway.endpoint();
  options_.ca_file = files.ca_cert();

  expect_all_works();

  options_.ca_file = "";
  S3Store store = open();
  const Error error = failure_of([&] { store.list("", {}); });
  EXPECT_EQ(error.kind(), ErrorKind::denied);
  EXPECT_THAT(error.what(), HasSubstr("is not trusted"));
}

TEST_F(S3OnRgw, StandsAtTheRootOfABucket) {
  options_.prefix = "";

  expect_all_works();
}

TEST_F(S3OnRgw, EncryptsWithAKeyOfTheServer) {
  options_.server_side_encryption = "aws:kms";
  options_.kms_key_id = "testkey-1";

  expect_all_works();

  const auto answer = bucket_->client().send("HEAD", "/" + bucket_->name() + "/prefix/large");
  EXPECT_EQ(answer.headers.at("x-amz-server-side-encryption"), "aws:kms");
}

TEST_F(S3OnRgw, EncryptsWithAKeyOfTheCustomer) {
  options_.server_side_encryption = "SSE-C";
  options_.customer_key = Secret("0123456789abcdef0123456789abcdef");

  expect_all_works();

  S3Store store = open();
  EXPECT_TRUE(store.swap_record("record", as_bytes("content"), std::nullopt, {}));
  options_.server_side_encryption = "";
  S3Store other = open();
  EXPECT_THROW((void)other.get("small", 100, {}), Error);
}

TEST_F(S3OnRgw, LocksObjectsButNoRecords) {
  use_bucket({.object_lock = true});
  options_.object_lock_mode = "GOVERNANCE";
  options_.object_lock_duration = 24h;

  expect_all_works();

  for (const char* name : {"small", "large"}) {
    const auto answer =
        bucket_->client().send("HEAD", fmt::format("/{}/prefix/{}", bucket_->name(), name));
    ASSERT_TRUE(answer.headers.contains("x-amz-object-lock-mode")) << name;
    EXPECT_EQ(answer.headers.at("x-amz-object-lock-mode"), "GOVERNANCE");
  }
}

TEST_F(S3OnRgw, TagsObjects) {
  options_.tags = {{"team", "data & ops"}};

  expect_all_works();

  const auto answer =
      bucket_->client().send("GET", "/" + bucket_->name() + "/prefix/small", {{"tagging", ""}});
  EXPECT_THAT(answer.body, HasSubstr("data &amp; ops"));
}

TEST_F(S3OnRgw, SaysThatTheKeyIsWrong) {
  S3Options wrong_secret = options_;
  wrong_secret.credentials.secret_access_key = Secret("WrongWrongWrong");
  S3Options wrong_id = options_;
  wrong_id.credentials.access_key_id = "NOSUCHKEY";

  const Error secret = failure_of([&] { S3Store(wrong_secret, clock_).list("", {}); });
  const Error id = failure_of([&] { S3Store(wrong_id, clock_).list("", {}); });

  EXPECT_EQ(secret.kind(), ErrorKind::denied);
  EXPECT_THAT(secret.what(), HasSubstr("check the secret access key"));
  EXPECT_EQ(id.kind(), ErrorKind::denied);
  EXPECT_THAT(id.what(), HasSubstr("does not know the access key"));
}

TEST_F(S3OnRgw, NamesTheRightThatIsMissing) {
  S3Store store = open();
  ASSERT_TRUE(store.put_if_absent("a", as_bytes("content"), {}));
  bucket_->set_policy(fmt::format(
      R"({{"Version":"2012-10-17","Statement":[{{"Effect":"Deny","Principal":"*","Action":["s3:DeleteObject"],"Resource":["arn:aws:s3:::{}/*"]}}]}})",
      bucket_->name()));

  const Error one = failure_of([&] { store.remove("a", {}); });
  const Error many = failure_of([&] { store.remove_all({"a"}, {}); });
  bucket_->set_policy("");

  for (const Error& error : {one, many}) {
    EXPECT_EQ(error.kind(), ErrorKind::denied);
    EXPECT_THAT(error.what(), AllOf(HasSubstr("allow s3:DeleteObject on"), HasSubstr("delete a")));
  }
}

TEST_F(S3OnRgw, SaysThatTheBucketIsGone) {
  S3Store store = open();
  ASSERT_TRUE(store.put_if_absent("a", as_bytes("content"), {}));
  bucket_->lose();

  for (const auto& call : std::vector<std::function<void()>>{
           [&] { (void)store.head("a", {}); }, [&] { (void)store.get("a", 100, {}); },
           [&] { (void)store.list("", {}); }, [&] { upload(store, "b", noise(12U << 20U)); }}) {
    const Error error = failure_of(call);
    EXPECT_EQ(error.kind(), ErrorKind::unavailable);
    EXPECT_THAT(error.what(), HasSubstr("does not exist"));
  }
  bucket_->make_again();
  EXPECT_TRUE(store.put_if_absent("a", as_bytes("content"), {}));
}

TEST_F(S3OnRgw, NoticesAStoreThatHangs) {
  test::RgwGateway gateway;
  options_.endpoint = gateway.endpoint();
  options_.stall_timeout = 300ms;
  options_.retry_time = 100ms;
  S3Store store = open();
  (void)store.list("", {});

  gateway.freeze();
  const Error error = failure_of([&] { (void)store.get("a", 100, {}); });
  gateway.thaw();

  EXPECT_EQ(error.kind(), ErrorKind::unavailable);
  EXPECT_THAT(error.what(), HasSubstr("hangs: nothing moved for 300 ms"));
  EXPECT_EQ(store.get("a", 100, {}), std::nullopt);
}

TEST_F(S3OnRgw, GoesOnWhenTheStoreComesBack) {
  test::RgwGateway gateway;
  options_.endpoint = gateway.endpoint();
  S3Store store = open();
  const Bytes content = noise(24U << 20U);
  const auto upload = store.upload("large", {});
  upload->append(ByteView(content).first(12U << 20U));

  gateway.stop();
  gateway.start();
  upload->append(ByteView(content).subspan(12U << 20U));
  upload->complete();

  EXPECT_TRUE(store.get("large", 64U << 20U, {}) == content);
  EXPECT_THAT(bucket_->uploads(), IsEmpty());
}

TEST_F(S3OnRgw, LearnsTheTimeFromTheStore) {
  struct WrongClock final : Clock {
    Timestamp now() const override { return SystemClock().now() - 2h; }
  } const wrong;
  S3Store store(options_, wrong);

  EXPECT_TRUE(store.put_if_absent("a", as_bytes("content"), {}));

  EXPECT_NEAR(static_cast<double>(store.clock_ahead()->count()), 7200.0, 30.0);
}

TEST_F(S3OnRgw, CopiesWithinTheServer) {
  S3Options copy_options = options_;
  const S3Bucket copy_bucket = S3Server::rgw().new_bucket();
  copy_options.bucket = copy_bucket.name();
  copy_options.prefix = "copy";
  S3Store store = open();
  S3Store copy(copy_options, clock_);
  const Bytes large = noise(12U << 20U);
  upload(store, "large", large);

  EXPECT_TRUE(copy.copy_within(store, "large", {}));

  EXPECT_TRUE(copy.get("large", 64U << 20U, {}) == large);
  EXPECT_EQ(failure_of([&] { (void)copy.copy_within(store, "large", {}); }).kind(),
            ErrorKind::failed);
  EXPECT_FALSE(copy.copy_within(store, "no-such", {}));
}

TEST_F(S3OnRgw, CopiesInRangesWhatIsTooLargeForOneRequest) {
  S3Options copy_options = options_;
  copy_options.prefix = "copy";
  Objects from(options_, clock_);
  Objects to(copy_options, clock_);
  const Bytes large = noise(12U << 20U);
  S3Store store = open();
  upload(store, "large", large);

  EXPECT_TRUE(copy_object(from, to, "large", {.most_at_once = 1, .part_bytes = 5U << 20U}, {}));

  EXPECT_TRUE(to.get("large", 64U << 20U, {}) == large);
  EXPECT_THAT(bucket_->uploads(), IsEmpty());
}

TEST_F(S3OnRgw, CopiesNothingThatItMayNotRead) {
  const test::S3Keys stranger = S3Server::rgw().new_user();
  const S3Bucket theirs(test::S3Client(S3Server::rgw().endpoint(), stranger), {});
  S3Options their_options = options_;
  their_options.bucket = theirs.name();
  their_options.credentials.access_key_id = stranger.access_key;
  their_options.credentials.secret_access_key = Secret(stranger.secret_key);
  S3Store store = open();
  S3Store copy(their_options, clock_);
  upload(store, "a", noise(1000));

  EXPECT_FALSE(copy.copy_within(store, "a", {}));

  EXPECT_EQ(copy.head("a", {}), std::nullopt);
}

TEST_F(S3OnRgw, SweepsWhatAKilledRunLeft) {
  S3Store store = open();
  for (const char* key : {"prefix/a/1", "prefix/a/2", "prefix/b", "other/a/1"}) {
    const auto answer = bucket_->client().send("POST", fmt::format("/{}/{}", bucket_->name(), key),
                                               {{"uploads", ""}});
    ASSERT_EQ(answer.status, 200);
  }

  EXPECT_EQ(store.remove_abandoned_uploads("a/", [](const auto&) { return true; }, {}), 2);

  EXPECT_THAT(bucket_->uploads(), testing::UnorderedElementsAre("prefix/b", "other/a/1"));
}

class S3OnSwift : public S3OnRgw {
 protected:
  void SetUp() override {
    test::require_swift();
    if (IsSkipped() || HasFatalFailure()) {
      return;
    }
    bucket_.emplace(S3Server::swift().new_bucket());
    options_ = options_for(S3Server::swift(), *bucket_);
  }
};

TEST_F(S3OnSwift, SaysWhyThereAreNoConditionalWrites) {
  S3Store store = open();

  EXPECT_THAT(store.conditional_writes({}).reason, HasSubstr("501"));
}

TEST_F(S3OnSwift, CopiesWithinTheServer) {
  S3Options copy_options = options_;
  copy_options.prefix = "copy";
  S3Store store = open();
  S3Store copy(copy_options, clock_);
  const Bytes content = noise(1000);
  upload(store, "a", content);

  if (copy.copy_within(store, "a", {})) {
    EXPECT_TRUE(copy.get("a", 10000, {}) == content);
  } else {
    EXPECT_EQ(copy.head("a", {}), std::nullopt);
  }
}

TEST_F(S3OnSwift, RefusesTheWrongRegion) {
  options_.region = "eu-west-9";
  S3Store store = open();

  const Error error = failure_of([&] { store.list("", {}); });

  EXPECT_EQ(error.kind(), ErrorKind::config);
  EXPECT_THAT(error.what(), HasSubstr("us-east-1"));
}

TEST_F(S3OnSwift, SweepsWhatAKilledRunLeft) {
  S3Store store = open();
  {
    const auto answer = bucket_->client().send(
        "POST", fmt::format("/{}/prefix/a/1", bucket_->name()), {{"uploads", ""}});
    ASSERT_EQ(answer.status, 200);
  }

  EXPECT_EQ(store.remove_abandoned_uploads("a/", [](const auto&) { return true; }, {}), 1);

  EXPECT_THAT(bucket_->uploads(), IsEmpty());
}

}  // namespace
}  // namespace keyrewind::s3
