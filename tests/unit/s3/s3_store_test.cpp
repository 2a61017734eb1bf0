#include "s3/s3_store.h"

#include "base/error.h"
#include "fake_s3.h"
#include "support/manual_clock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <optional>

namespace keyrewind::s3 {
namespace {

using namespace std::chrono_literals;
using store::ObjectInfo;
using test::FakeS3;
using test::HttpAnswer;
using test::HttpFault;
using test::HttpRequest;
using test::on_object;
using test::with_query;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class S3StoreTest : public testing::Test {
 protected:
  S3Store& store() {
    if (!store_) {
      store_.emplace(options_, clock_);
    }
    return *store_;
  }

  /// Nothing more than the request that a test is about follows the probe of conditional writes.
  void probe() { ASSERT_TRUE(store().conditional_writes({}).work); }

  bool put(const std::string& name, std::string_view content = "content") {
    return store().put_if_absent(name, as_bytes(content), {});
  }

  std::string text_of(const std::string& name) {
    const std::optional<Bytes> content = store().get(name, 1 << 20, {});
    return content ? std::string(as_text(*content)) : "(none)";
  }

  std::string read(const std::string& name, std::uint64_t offset, std::size_t count) {
    Bytes into(count);
    store().read(name, offset, into, {});
    return std::string(as_text(into));
  }

  Error failure_of(const std::function<void()>& call) {
    try {
      call();
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), Not(HasSubstr(test::kFakeSecret)));
      return error;
    }
    ADD_FAILURE() << "nothing was thrown";
    return {ErrorKind::internal, ""};
  }

  std::vector<HttpRequest> sent(const FakeS3::Matches& which) { return fake_.requests(which); }

  FakeS3 fake_;
  S3Options options_ = fake_.options();
  test::ManualClock clock_{*from_rfc3339("2026-11-20T13:02:21Z")};
  std::optional<S3Store> store_;
};

TEST_F(S3StoreTest, ContactsNobodyUntilItIsAsked) {
  EXPECT_EQ(store().url(), "s3://bucket/prefix");
  EXPECT_EQ(store().clock_ahead(), std::nullopt);

  EXPECT_THAT(fake_.server().requests(), IsEmpty());
}

TEST_F(S3StoreTest, SaysThatItsBucketIsMissingWhateverItIsAsked) {
  options_.bucket = "other";
  Bytes into(1);
  const std::vector<std::function<void()>> calls = {
      [&] { (void)put("a"); },
      [&] { store().upload("a", {})->complete(); },
      [&] { (void)store().get("a", 10, {}); },
      [&] { store().read("a", 0, into, {}); },
      [&] { (void)store().head("a", {}); },
      [&] { (void)store().list("", {}); },
      [&] { (void)store().empty({}); },
      [&] { store().remove("a", {}); },
      [&] { store().remove_all({"a"}, {}); },
      [&] { (void)store().read_record("a", {}); },
      [&] { (void)store().remove_abandoned_uploads("", [](const auto&) { return true; }, {}); },
  };

  for (std::size_t i = 0; i < calls.size(); ++i) {
    const Error error = failure_of(calls[i]);
    EXPECT_EQ(error.kind(), ErrorKind::unavailable) << "call " << i;
    EXPECT_THAT(error.what(), HasSubstr("bucket other does not exist")) << "call " << i;
  }
}

TEST_F(S3StoreTest, PutsWithOneConditionalRequest) {
  probe();

  EXPECT_TRUE(put("a/b"));

  const auto puts = sent(on_object("PUT", "a/b"));
  ASSERT_EQ(puts.size(), 1);
  EXPECT_EQ(puts[0].header("if-none-match"), "*");
  EXPECT_FALSE(put("a/b", "other"));
  EXPECT_EQ(fake_.object("a/b")->content, "content");
}

TEST_F(S3StoreTest, KnowsItsOwnObjectWhenTheAnswerWasLost) {
  probe();
  fake_.lose_answer(on_object("PUT", "a"));

  EXPECT_TRUE(put("a"));

  EXPECT_EQ(sent(on_object("PUT", "a")).size(), 2);
}

/// The first try reached the store, but somebody else's was before it.
TEST_F(S3StoreTest, KnowsAnothersObjectWhenTheAnswerWasLost) {
  probe();
  fake_.put("a", "content");
  fake_.lose_answer(on_object("PUT", "a"));

  EXPECT_FALSE(put("a"));
}

TEST_F(S3StoreTest, PutsAgainWhatNeverArrived) {
  probe();
  fake_.break_off(on_object("PUT", "a"), HttpFault::reset_before_body);
  fake_.refuse(on_object("PUT", "a"), 409, "ConditionalRequestConflict");
  fake_.refuse(on_object("PUT", "a"), 500, "UnknownError");
  fake_.refuse(on_object("PUT", "a"), 503, "ServiceUnavailable");

  EXPECT_TRUE(put("a"));
}

TEST_F(S3StoreTest, LooksFirstWhereConditionsDoNotWork) {
  fake_.habits().no_conditions = true;
  fake_.put("b", "first");

  EXPECT_TRUE(put("a"));
  EXPECT_FALSE(put("b"));

  EXPECT_EQ(fake_.object("b")->content, "first");
  EXPECT_FALSE(sent(on_object("PUT", "a")).at(0).has_header("if-none-match"));
}

TEST_F(S3StoreTest, SwapsARecord) {
  const auto first = store().swap_record("r", as_bytes("first"), std::nullopt, {});
  ASSERT_TRUE(first);

  const auto second = store().swap_record("r", as_bytes("second"), first, {});

  ASSERT_TRUE(second);
  EXPECT_EQ(store().swap_record("r", as_bytes("third"), first, {}), std::nullopt);
  EXPECT_EQ(store().swap_record("r", as_bytes("third"), std::nullopt, {}), std::nullopt);
  EXPECT_EQ(store().read_record("r", {})->version, second);
  EXPECT_EQ(store().swap_record("none", as_bytes("x"), first, {}), std::nullopt);
}

TEST_F(S3StoreTest, KnowsItsOwnRecordWhenTheAnswerWasLost) {
  probe();
  fake_.lose_answer(on_object("PUT", "r"));
  const auto first = store().swap_record("r", as_bytes("first"), std::nullopt, {});
  ASSERT_TRUE(first);
  fake_.lose_answer(on_object("PUT", "r"));

  const auto second = store().swap_record("r", as_bytes("second"), first, {});

  ASSERT_TRUE(second);
  EXPECT_EQ(store().read_record("r", {})->version, second);
}

TEST_F(S3StoreTest, KnowsAnothersRecordWhenTheAnswerWasLost) {
  const auto first = store().swap_record("r", as_bytes("first"), std::nullopt, {});
  (void)store().swap_record("r", as_bytes("theirs"), first, {});
  fake_.lose_answer(on_object("PUT", "r"));

  EXPECT_EQ(store().swap_record("r", as_bytes("ours"), first, {}), std::nullopt);

  EXPECT_EQ(fake_.object("r")->content, "theirs");
}

TEST_F(S3StoreTest, SwapsAgainWhatLostARaceWithinTheStore) {
  const auto first = store().swap_record("r", as_bytes("first"), std::nullopt, {});
  fake_.refuse(on_object("PUT", "r"), 500, "UnknownError");
  fake_.refuse(on_object("PUT", "r"), 409, "ConditionalRequestConflict");

  EXPECT_TRUE(store().swap_record("r", as_bytes("second"), first, {}));
}

TEST_F(S3StoreTest, SaysWhatToDoWithoutConditionalWrites) {
  fake_.habits().no_conditions = true;

  for (const auto& call : std::vector<std::function<void()>>{
           [&] { (void)store().swap_record("r", as_bytes("x"), std::nullopt, {}); },
           [&] { (void)store().try_lock("lock", {}); }}) {
    const Error error = failure_of(call);
    EXPECT_EQ(error.kind(), ErrorKind::config);
    EXPECT_THAT(error.what(), AllOf(HasSubstr("s3://bucket/prefix has no conditional writes"),
                                    HasSubstr("it answers 501 to If-None-Match"),
                                    HasSubstr("set lease.enabled to false")));
  }
}

TEST_F(S3StoreTest, GivesLocksToAllWhoAskWhereTheyAreOff) {
  options_.locks = false;

  const auto one = store().try_lock("lock", {});
  const auto other = store().try_lock("lock", {});

  EXPECT_TRUE(one != nullptr && other != nullptr && other->held());
  EXPECT_THAT(fake_.server().requests(), IsEmpty());
}

struct Habit {
  std::string name;
  std::function<void(FakeS3::Habits&)> set;
  std::string reason;  ///< Why conditional writes do not work; empty if they do.

  friend std::ostream& operator<<(std::ostream& out, const Habit& habit) {
    return out << habit.name;
  }
};

class ConditionProbe : public S3StoreTest, public testing::WithParamInterface<Habit> {};

TEST_P(ConditionProbe, FindsOutWhatAStoreDoes) {
  GetParam().set(fake_.habits());

  const auto found = store().conditional_writes({});

  EXPECT_EQ(found.work, GetParam().reason.empty()) << found.reason;
  EXPECT_THAT(found.reason, HasSubstr(GetParam().reason));
  EXPECT_EQ(fake_.object_count(), 0) << "it cleans up";
  const std::size_t requests = fake_.server().requests().size();
  EXPECT_EQ(store().conditional_writes({}).work, found.work);
  EXPECT_EQ(fake_.server().requests().size(), requests) << "it is found out once";
}

INSTANTIATE_TEST_SUITE_P(
    Habits, ConditionProbe,
    testing::Values(
        Habit{"aws", [](auto&) {}, ""},
        Habit{"ceph", [](auto& habits) { habits.takes_both = habits.wants_quotes = false; }, ""},
        Habit{"strict", [](auto& habits) { habits.takes_both = false; }, ""},
        Habit{"swift", [](auto& habits) { habits.no_conditions = true; }, "501 to If-None-Match"},
        Habit{"no_match", [](auto& habits) { habits.ignores_match = true; }, "ignores If-Match"},
        Habit{"versioned", [](auto& habits) { habits.ignores_none_match = true; },
              "in spite of If-None-Match"}),
    [](const auto& habit) { return habit.param.name; });

TEST_F(S3StoreTest, SwapsWithETagsAsTheStoreWantsThem) {
  fake_.habits().takes_both = false;
  fake_.habits().wants_quotes = false;
  const auto first = store().swap_record("r", as_bytes("first"), std::nullopt, {});

  EXPECT_TRUE(store().swap_record("r", as_bytes("second"), first, {}));

  EXPECT_THAT(sent(on_object("PUT", "r")).back().header("if-match"), Not(HasSubstr("\"")));
}

TEST_F(S3StoreTest, ProbesAgainWhenAnAnswerWasLost) {
  fake_.lose_answer(test::with_method("PUT"));

  EXPECT_TRUE(store().conditional_writes({}).work);
}

TEST_F(S3StoreTest, DoesNotTakeMissingRightsForMissingConditions) {
  fake_.refuse(test::with_method("PUT"), 403, "AccessDenied", 1);
  EXPECT_EQ(failure_of([&] { (void)store().conditional_writes({}); }).kind(), ErrorKind::denied);

  fake_.refuse(test::with_method("PUT"), 400, "InvalidTag", 2);
  EXPECT_EQ(failure_of([&] { (void)store().conditional_writes({}); }).kind(), ErrorKind::protocol);

  EXPECT_TRUE(store().conditional_writes({}).work) << "nothing was concluded from it";
}

TEST_F(S3StoreTest, GetsNothingLongerThanTheReaderAllows) {
  fake_.put("a", std::string(100'000, 'x'));

  EXPECT_EQ(failure_of([&] { (void)store().get("a", 99'999, {}); }).kind(), ErrorKind::corrupt);
  EXPECT_EQ(failure_of([&] { (void)store().get("a", 10, {}); }).kind(), ErrorKind::corrupt);
  EXPECT_EQ(store().get("a", 100'000, {})->size(), 100'000);
}

/// A proxy or a web server that is not S3 must not look like a store without backups.
TEST_F(S3StoreTest, TakesNoPageOfAWebServerForAMissingObject) {
  fake_.add({.when = test::with_method("GET"),
             .answer = {.status = 404, .body = "<html>Not Found</html>"},
             .times = 10});
  Bytes into(1);

  EXPECT_EQ(failure_of([&] { (void)store().get("a", 10, {}); }).kind(), ErrorKind::protocol);
  EXPECT_EQ(failure_of([&] { store().read("a", 0, into, {}); }).kind(), ErrorKind::protocol);
  EXPECT_EQ(failure_of([&] { (void)store().read_record("a", {}); }).kind(), ErrorKind::protocol);
}

TEST_F(S3StoreTest, ReadsTheRangeThatItIsAsked) {
  fake_.put("a", "0123456789");

  EXPECT_EQ(read("a", 3, 4), "3456");

  EXPECT_EQ(fake_.server().last_request().header("range"), "bytes=3-6");
}

TEST_F(S3StoreTest, SaysThatAnObjectEndsBeforeWhatIsRead) {
  fake_.put("a", "0123456789");

  for (const auto& [offset, count] : {std::pair(5, 6), std::pair(10, 1), std::pair(100, 1)}) {
    const Error error = failure_of([&, at = offset, n = count] {
      (void)read("a", static_cast<std::uint64_t>(at), static_cast<std::size_t>(n));
    });
    EXPECT_EQ(error.kind(), ErrorKind::corrupt);
    EXPECT_THAT(error.what(), HasSubstr("s3://bucket/prefix: object a ends before"));
  }
  EXPECT_THAT(failure_of([&] { (void)read("b", 0, 1); }).what(), HasSubstr("object b is missing"));
}

TEST_F(S3StoreTest, ReadsAgainWhatWasNotTheRange) {
  fake_.put("a", "0123456789");
  const auto odd = [](std::string range, std::string body) {
    return HttpAnswer{
        .status = 206, .body = std::move(body), .headers = {{"Content-Range", std::move(range)}}};
  };
  for (const HttpAnswer& answer :
       {odd("bytes 2-5/10", "2345"), odd("bytes 3-6/10", "34"), odd("bytes 3-4/10", "34"),
        odd("none", "3456"), HttpAnswer{.body = "3456"}}) {
    fake_.add({.when = on_object("GET", "a"), .answer = answer});

    EXPECT_EQ(read("a", 3, 4), "3456");
  }
}

TEST_F(S3StoreTest, ReadsAgainWhatWasCutShort) {
  fake_.put("a", "0123456789");
  fake_.break_off(on_object("GET", "a"), HttpFault::cut, 2);

  EXPECT_EQ(read("a", 3, 4), "3456");
}

TEST_F(S3StoreTest, GivesUpOnAStoreThatKnowsNoRanges) {
  fake_.put("a", "0123456789");
  fake_.add({.when = on_object("GET", "a"), .answer = {.body = "0123456789"}, .times = 100});

  EXPECT_EQ(failure_of([&] { (void)read("a", 3, 4); }).kind(), ErrorKind::protocol);
}

TEST_F(S3StoreTest, ListsPageAfterPage) {
  fake_.habits().page = 7;
  std::vector<ObjectInfo> expected;
  for (int i = 0; i < 50; ++i) {
    expected.push_back({fmt::format("many/{:02}", i), static_cast<std::uint64_t>(i)});
    fake_.put(expected.back().name, std::string(static_cast<std::size_t>(i), 'x'));
  }
  fake_.put("other", "");

  EXPECT_EQ(store().list("many/", {}), expected);

  EXPECT_EQ(sent(with_query("GET", "list-type=2")).size(), 8);
}

TEST_F(S3StoreTest, ListsWhatKeyrewindMayHavePutThereOnly) {
  for (const char* name : {"a b", "folder/", "a//b", "../a", "b\xc3\xbc"}) {
    fake_.put(name, "foreign");
  }
  fake_.put_key("prefix", "beside");
  fake_.put_key("prefixes/a", "beside");
  fake_.put_key("prefix/", "a folder of a console");
  fake_.put("ours", "content");

  EXPECT_THAT(store().list("", {}), ElementsAre(ObjectInfo{"ours", 7}));
}

TEST_F(S3StoreTest, ListsRecordsOfLocksOnlyIfAskedForThem) {
  fake_.put("leases/lock.json", "{}");
  fake_.put("a", "content");

  EXPECT_THAT(store().list("", {}), ElementsAre(ObjectInfo{"a", 7}));
  EXPECT_THAT(store().list("leases/", {}), ElementsAre(ObjectInfo{"leases/lock.json", 2}));
}

TEST_F(S3StoreTest, ListsAgainWhatWasCutShort) {
  fake_.put("a", "content");
  fake_.add(
      {.when = with_query("GET", "list-type=2"), .answer = {.body = "<ListBucketResult><Con"}});
  fake_.break_off(with_query("GET", "list-type=2"), HttpFault::cut, 10);

  EXPECT_EQ(store().list("", {}).size(), 1);
}

TEST_F(S3StoreTest, TakesNoWebPageForAnEmptyList) {
  fake_.add(
      {.when = with_query("GET", "list-type=2"), .answer = {.body = "<html/>"}, .times = 100});

  EXPECT_EQ(failure_of([&] { (void)store().list("", {}); }).kind(), ErrorKind::protocol);
  EXPECT_EQ(failure_of([&] { (void)store().empty({}); }).kind(), ErrorKind::protocol);
}

TEST_F(S3StoreTest, EndsAListThatTurnsInCircles) {
  fake_.add({.when = with_query("GET", "list-type=2"),
             .answer = {.body = "<ListBucketResult><IsTruncated>true</IsTruncated>"
                                "<NextContinuationToken>x</NextContinuationToken>"
                                "</ListBucketResult>"},
             .times = 100});

  EXPECT_EQ(failure_of([&] { (void)store().list("", {}); }).kind(), ErrorKind::protocol);
}

TEST_F(S3StoreTest, IsEmptyWithLocksAndTheFolderOfAConsole) {
  EXPECT_TRUE(store().empty({}));
  fake_.put_key("prefix/", "");
  fake_.put("leases/a.json", "{}");
  fake_.put("leases/b.json", "{}");
  EXPECT_TRUE(store().empty({}));

  fake_.put("foreign thing", "");

  EXPECT_FALSE(store().empty({}));
}

TEST_F(S3StoreTest, IsNotEmptyWithAFolder) {
  fake_.put("other/thing", "");

  EXPECT_FALSE(store().empty({}));
}

TEST_F(S3StoreTest, RemovesAThousandWithEachRequest) {
  std::vector<std::string> names;
  for (int i = 0; i < 2500; ++i) {
    names.push_back(fmt::format("many/{}", i));
    fake_.put(names.back(), "");
  }

  store().remove_all(names, {});

  EXPECT_EQ(fake_.object_count(), 0);
  EXPECT_EQ(fake_.server().requests().size(), 3);
}

TEST_F(S3StoreTest, RemovesOneByOneWhereItMust) {
  fake_.habits().no_batch_delete = true;
  fake_.put("a", "");
  fake_.put("b", "");

  store().remove_all({"a", "b"}, {});

  EXPECT_EQ(fake_.object_count(), 0);
}

TEST_F(S3StoreTest, NamesWhatCouldNotBeRemoved) {
  fake_.put("a", "");
  fake_.put("b-locked", "");

  const Error error = failure_of([&] { store().remove_all({"a", "b-locked"}, {}); });

  EXPECT_EQ(error.kind(), ErrorKind::denied);
  EXPECT_THAT(error.what(), AllOf(HasSubstr("delete b-locked"), HasSubstr("s3:DeleteObject")));
  EXPECT_EQ(fake_.object("a"), std::nullopt);
}

TEST_F(S3StoreTest, RemovesUploadsThatWereAbandoned) {
  fake_.habits().page = 2;
  for (const char* name : {"a/1", "a/2", "a/3", "a/4", "a/5", "a/spared", "b/1"}) {
    http::Client client{http::ClientOptions{}};
    http::Request request;
    request.method = "POST";
    request.url = fake_.server().url() + FakeS3::path(name) + "?uploads=";
    request.headers = {{"x-amz-content-sha256", codec::sha256_hex({})}};
    ASSERT_EQ(client.send(request, {}).status, 200);
  }
  const auto which = [](const std::string& name) { return name != "a/spared"; };

  EXPECT_EQ(store().remove_abandoned_uploads("a/", which, {}), 5);

  EXPECT_EQ(fake_.upload_count(), 2);
}

TEST_F(S3StoreTest, CopiesWithinAServer) {
  S3Options options = options_;
  options.prefix = "copy";
  options.storage_class = "GLACIER_IR";
  S3Store copy(options, clock_);
  ASSERT_TRUE(put("small"));
  const auto upload = store().upload("data", {});
  upload->append(as_bytes("some bytes"));
  upload->complete();

  EXPECT_TRUE(copy.copy_within(store(), "small", {}));
  EXPECT_TRUE(copy.copy_within(store(), "data", {}));

  EXPECT_EQ(as_text(*copy.get("data", 100, {})), "some bytes");
  EXPECT_EQ(copy.head("small", {})->bytes, 7);
  const auto copies = sent([](const HttpRequest& r) { return r.has_header("x-amz-copy-source"); });
  ASSERT_EQ(copies.size(), 2);
  EXPECT_EQ(copies[1].header("x-amz-copy-source"), "/bucket/prefix/data");
  EXPECT_FALSE(copies[0].has_header("x-amz-storage-class"));
  EXPECT_EQ(copies[1].header("x-amz-storage-class"), "GLACIER_IR");
  EXPECT_EQ(failure_of([&] { (void)copy.copy_within(store(), "data", {}); }).kind(),
            ErrorKind::failed);
}

TEST_F(S3StoreTest, CopiesNothingThatIsNotThere) {
  S3Options options = options_;
  options.prefix = "copy";
  S3Store copy(options, clock_);

  EXPECT_FALSE(copy.copy_within(store(), "no-such", {}));
}

TEST_F(S3StoreTest, LeavesCopyingToOthersWhereTheStoreDoesNot) {
  S3Options options = options_;
  options.prefix = "copy";
  S3Store copy(options, clock_);
  ASSERT_TRUE(put("a"));
  const auto copies = [](const HttpRequest& r) { return r.has_header("x-amz-copy-source"); };

  fake_.habits().no_copy = true;
  EXPECT_FALSE(copy.copy_within(store(), "a", {}));
  fake_.refuse(copies, 403, "AccessDenied");
  EXPECT_FALSE(copy.copy_within(store(), "a", {}));

  EXPECT_EQ(copy.head("a", {}), std::nullopt);
}

TEST_F(S3StoreTest, CopiesNothingFromElsewhere) {
  FakeS3 other_server;
  S3Store elsewhere(other_server.options(), clock_);

  EXPECT_FALSE(store().copy_within(elsewhere, "a", {}));
  EXPECT_THAT(other_server.server().requests(), IsEmpty());
}

TEST_F(S3StoreTest, KnowsItsOwnCopyWhenTheAnswerWasLost) {
  S3Options options = options_;
  options.prefix = "copy";
  S3Store copy(options, clock_);
  ASSERT_TRUE(put("a"));
  const auto copies = [](const HttpRequest& r) { return r.has_header("x-amz-copy-source"); };
  fake_.lose_answer(copies);
  fake_.add({.when = copies, .answer = FakeS3::error(200, "InternalError")});

  EXPECT_TRUE(copy.copy_within(store(), "a", {}));
}

TEST_F(S3StoreTest, SaysHowFarTheClocksAreApart) {
  fake_.add({.when = test::with_method("HEAD"),
             .answer = {.status = 404, .headers = {{"Date", "Fri, 20 Nov 2026 13:02:11 GMT"}}}});

  EXPECT_EQ(store().head("a", {}), std::nullopt);

  EXPECT_EQ(store().clock_ahead(), -10s);
}

/// The headers of options, on what is written in each way and what is read.
class S3Headers : public S3StoreTest {
 protected:
  void write_and_read_all() {
    ASSERT_TRUE(put("small"));
    const auto whole = store().upload("whole", {});
    whole->append(as_bytes("whole"));
    whole->complete();
    const auto parts = store().upload("parts", {});
    parts->append(as_bytes(std::string(2500, 'x')));
    parts->complete();
    ASSERT_TRUE(store().swap_record("record", as_bytes("content"), std::nullopt, {}));
    (void)text_of("small");
    (void)store().head("small", {});
    Bytes into(2);
    store().read("small", 0, into, {});
  }

  HttpRequest small() { return sent(on_object("PUT", "small")).at(0); }
  HttpRequest whole() { return sent(on_object("PUT", "whole")).at(0); }
  HttpRequest part() { return sent(with_query("PUT", "partNumber=")).at(0); }
  HttpRequest create() { return sent(on_object("POST", "parts")).at(0); }
  HttpRequest complete() { return sent(on_object("POST", "parts")).at(1); }
  HttpRequest record() { return sent(on_object("PUT", "record")).at(0); }
  std::vector<HttpRequest> reads() {
    std::vector<HttpRequest> found = sent(on_object("GET", "small"));
    const auto heads = sent(on_object("HEAD", "small"));
    found.insert(found.end(), heads.begin(), heads.end());
    return found;
  }
};

TEST_F(S3Headers, AskForNothingByThemselves) {
  write_and_read_all();

  for (const HttpRequest& request : fake_.server().requests()) {
    EXPECT_FALSE(request.has_header("x-amz-server-side-encryption"));
    EXPECT_FALSE(request.has_header("x-amz-storage-class"));
    EXPECT_FALSE(request.has_header("x-amz-tagging"));
    EXPECT_FALSE(request.has_header("x-amz-object-lock-mode"));
    EXPECT_FALSE(request.has_header("x-amz-checksum-sha256"));
    EXPECT_FALSE(request.has_header("content-md5"));
  }
}

TEST_F(S3Headers, AskForEncryptionWithAKey) {
  options_.server_side_encryption = "aws:kms";
  options_.kms_key_id = "key-1";

  write_and_read_all();

  for (const HttpRequest& request : {small(), whole(), create(), record()}) {
    EXPECT_EQ(request.header("x-amz-server-side-encryption"), "aws:kms");
    EXPECT_EQ(request.header("x-amz-server-side-encryption-aws-kms-key-id"), "key-1");
  }
  EXPECT_FALSE(part().has_header("x-amz-server-side-encryption"));
}

TEST_F(S3Headers, CarryTheCustomersKeyWhereverContentGoes) {
  options_.server_side_encryption = "SSE-C";
  options_.customer_key = Secret("0123456789abcdef0123456789abcdef");

  write_and_read_all();

  std::vector<HttpRequest> requests = {small(), whole(), create(), part(), record()};
  for (const HttpRequest& request : reads()) {
    requests.push_back(request);
  }
  EXPECT_EQ(requests.size(), 8);
  for (const HttpRequest& request : requests) {
    EXPECT_EQ(request.header("x-amz-server-side-encryption-customer-algorithm"), "AES256");
    EXPECT_EQ(request.header("x-amz-server-side-encryption-customer-key"),
              "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=");
    EXPECT_EQ(request.header("x-amz-server-side-encryption-customer-key-md5"),
              to_base64(codec::md5(as_bytes("0123456789abcdef0123456789abcdef"))));
    EXPECT_FALSE(request.has_header("x-amz-server-side-encryption"));
  }
}

TEST_F(S3Headers, RefuseACustomersKeyOfTheWrongLength) {
  options_.server_side_encryption = "SSE-C";
  options_.customer_key = Secret("too short a secret");

  const Error error = failure_of([&] { (void)store(); });

  EXPECT_EQ(error.kind(), ErrorKind::config);
  EXPECT_THAT(error.what(), Not(HasSubstr("too short a secret")));
}

TEST_F(S3Headers, AskForTheStorageClassOfDataOnly) {
  options_.storage_class = "STANDARD_IA";

  write_and_read_all();

  EXPECT_EQ(whole().header("x-amz-storage-class"), "STANDARD_IA");
  EXPECT_EQ(create().header("x-amz-storage-class"), "STANDARD_IA");
  for (const HttpRequest& request : {small(), part(), record()}) {
    EXPECT_FALSE(request.has_header("x-amz-storage-class"));
  }
}

TEST_F(S3Headers, TagWhatIsWritten) {
  options_.tags = {{"team", "data & ops"}, {"kind", "backup"}};

  write_and_read_all();

  for (const HttpRequest& request : {small(), whole(), create(), record()}) {
    EXPECT_EQ(request.header("x-amz-tagging"), "kind=backup&team=data%20%26%20ops");
  }
  EXPECT_FALSE(part().has_header("x-amz-tagging"));
}

TEST_F(S3Headers, LockAllButRecords) {
  options_.object_lock_mode = "COMPLIANCE";
  options_.object_lock_duration = std::chrono::hours(24);

  write_and_read_all();

  for (const HttpRequest& request : {small(), whole(), create()}) {
    EXPECT_EQ(request.header("x-amz-object-lock-mode"), "COMPLIANCE");
    EXPECT_EQ(request.header("x-amz-object-lock-retain-until-date"), "2026-11-21T13:02:21.000Z");
  }
  for (const HttpRequest& request : {small(), whole(), part()}) {
    EXPECT_EQ(request.header("content-md5"), to_base64(codec::md5(as_bytes(request.body))));
  }
  EXPECT_FALSE(record().has_header("x-amz-object-lock-mode"));
  EXPECT_THAT(sent(with_query("PUT", "retention=")), IsEmpty());
}

TEST_F(S3Headers, LockAfterwardsWhatTheStoreForgot) {
  fake_.habits().forgets_locks = true;
  options_.object_lock_mode = "COMPLIANCE";
  options_.object_lock_duration = std::chrono::hours(24);

  write_and_read_all();

  const auto locks = sent(with_query("PUT", "retention="));
  ASSERT_EQ(locks.size(), 1);
  EXPECT_EQ(locks[0].path(), FakeS3::path("parts"));
  EXPECT_THAT(locks[0].body,
              AllOf(HasSubstr("<Mode>COMPLIANCE</Mode>"),
                    HasSubstr("<RetainUntilDate>2026-11-21T13:02:21.000Z</RetainUntilDate>")));
}

TEST_F(S3Headers, CarryChecksumsWhereTheyAreKept) {
  options_.checksums = true;
  options_.object_lock_mode = "COMPLIANCE";

  write_and_read_all();

  for (const HttpRequest& request : {small(), whole(), part(), record()}) {
    codec::Sha256 hash;
    hash.feed(as_bytes(request.body));
    EXPECT_EQ(request.header("x-amz-checksum-sha256"), to_base64(hash.digest()));
    EXPECT_FALSE(request.has_header("content-md5"));
  }
  EXPECT_EQ(create().header("x-amz-checksum-algorithm"), "SHA256");
  EXPECT_THAT(
      complete().body,
      HasSubstr("<ChecksumSHA256>" + part().header("x-amz-checksum-sha256") + "</ChecksumSHA256>"));
}

}  // namespace
}  // namespace keyrewind::s3
