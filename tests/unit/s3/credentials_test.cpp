#include "s3/credentials.h"

#include "unit/s3/chain_fixture.h"

#include <atomic>
#include <latch>
#include <thread>

namespace keyrewind::s3 {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using test::HttpAnswer;
using test::HttpFault;
using test::HttpRequest;
using test::HttpServer;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr const char* kWeb = "AssumeRoleWithWebIdentity";

std::size_t count(std::string_view text, std::string_view what) {
  std::size_t found = 0;
  for (std::size_t at = text.find(what); at != std::string_view::npos;
       at = text.find(what, at + 1)) {
    ++found;
  }
  return found;
}

class CredentialChainTest : public ChainTest {
 protected:
  CredentialOptions configured() {
    CredentialOptions made = options();
    made.access_key_id = "AKIDCONFIGURED";
    made.secret_access_key = Secret(std::string(kSecretKey));
    return made;
  }

  void set_environment_keys() {
    environment_["AWS_ACCESS_KEY_ID"] = "AKIDENVIRONMENT";
    environment_["AWS_SECRET_ACCESS_KEY"] = kSecretKey;
  }

  void write_default_profile() {
    write(".aws/credentials",
          fmt::format("[default]\naws_access_key_id = AKIDPROFILE\naws_secret_access_key = {}\n",
                      kSecretKey));
  }
};

TEST_F(CredentialChainTest, TakesWhatTheConfigurationSaysBeforeTheEnvironment) {
  set_environment_keys();
  CredentialOptions options = configured();
  options.session_token = Secret(std::string(kSessionToken));
  start(options);

  const Credentials credentials = get();

  EXPECT_EQ(credentials.access_key_id, "AKIDCONFIGURED");
  EXPECT_EQ(credentials.secret_access_key.reveal(), kSecretKey);
  EXPECT_EQ(credentials.session_token.reveal(), kSessionToken);
  EXPECT_EQ(credentials.provider, "configuration");
  EXPECT_FALSE(credentials.expires);
}

TEST_F(CredentialChainTest, RefusesAConfigurationThatIsSetByHalf) {
  set_environment_keys();

  CredentialOptions no_secret = configured();
  no_secret.secret_access_key = Secret();
  start(no_secret);
  Error error = failure();
  EXPECT_EQ(error.kind(), ErrorKind::config);
  EXPECT_THAT(error.what(), HasSubstr("no secret key"));

  CredentialOptions no_id = configured();
  no_id.access_key_id.clear();
  start(no_id);
  error = failure();
  EXPECT_EQ(error.kind(), ErrorKind::config);
  EXPECT_THAT(error.what(), HasSubstr("s3.access_key_id is missing"));

  CredentialOptions token_alone = options();
  token_alone.session_token = Secret(std::string(kSessionToken));
  start(token_alone);
  EXPECT_EQ(failure().kind(), ErrorKind::config);
}

TEST_F(CredentialChainTest, RefusesAConfigurationThatSaysTwoThings) {
  CredentialOptions two_secrets = configured();
  two_secrets.secret_access_key_file = write("secret", kOtherSecretKey);
  start(two_secrets);
  EXPECT_THAT(failure().what(), HasSubstr("both set"));

  CredentialOptions two_ways = configured();
  two_ways.profile = "backup";
  start(two_ways);
  EXPECT_THAT(failure().what(), HasSubstr("both set"));
}

TEST_F(CredentialChainTest, RefusesKeysWithABlankWithin) {
  CredentialOptions in_configuration = configured();
  in_configuration.secret_access_key = Secret(fmt::format("{} {}", kSecretKey, kOtherSecretKey));
  start(in_configuration);
  EXPECT_EQ(failure().kind(), ErrorKind::config);

  set_environment_keys();
  environment_["AWS_SECRET_ACCESS_KEY"] = fmt::format("{}\r\nx-evil: {}", kSecretKey, kSecretKey);
  start(options());
  EXPECT_THAT(failure().what(), HasSubstr("AWS_SECRET_ACCESS_KEY holds a blank"));
}

TEST_F(CredentialChainTest, ReadsTheSecretsFileAgainWhenItChanges) {
  CredentialOptions options = configured();
  options.secret_access_key = Secret();
  options.secret_access_key_file = write("secret", fmt::format("{}\n", kSecretKey));
  start(options);
  EXPECT_EQ(get().secret_access_key.reveal(), kSecretKey);

  const std::string renewed = write("renewed", fmt::format("{}\n", kOtherSecretKey));
  std::filesystem::rename(renewed, options.secret_access_key_file);

  EXPECT_EQ(get().secret_access_key.reveal(), kOtherSecretKey);
}

TEST_F(CredentialChainTest, UsesTheOldSecretWhileItsFileIsGoneAndWarnsOnce) {
  CredentialOptions options = configured();
  options.secret_access_key = Secret();
  options.secret_access_key_file = write("secret", kSecretKey);
  start(options);
  get();

  std::filesystem::remove(options.secret_access_key_file);
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(get().secret_access_key.reveal(), kSecretKey);
    clock_.advance(seconds(31));
  }
  EXPECT_EQ(count(logged(), "the old ones are used on"), 1);

  write("secret", kOtherSecretKey);
  EXPECT_EQ(get().secret_access_key.reveal(), kOtherSecretKey);
}

TEST_F(CredentialChainTest, SaysWhatIsWrongWithASecretsFile) {
  CredentialOptions options = configured();
  options.secret_access_key = Secret();

  options.secret_access_key_file = (dir_ / "absent").string();
  start(options);
  Error error = failure();
  EXPECT_EQ(error.kind(), ErrorKind::config);
  EXPECT_THAT(error.what(), AllOf(StartsWith("s3.secret_access_key_file: "), HasSubstr("absent")));

  options.secret_access_key_file = write("empty", "\n");
  start(options);
  EXPECT_THAT(failure().what(), HasSubstr("is empty"));

  options.secret_access_key_file = write("two", fmt::format("AKID\n{}\n", kSecretKey));
  start(options);
  EXPECT_THAT(failure().what(), HasSubstr("more than one word"));

  options.secret_access_key_file = write("huge", std::string(100'000, 'x'));
  start(options);
  EXPECT_EQ(failure().kind(), ErrorKind::config);
}

TEST_F(CredentialChainTest, TakesTheEnvironmentWithoutItsBlanks) {
  set_environment_keys();
  environment_["AWS_SECRET_ACCESS_KEY"] = fmt::format(" {}\n", kSecretKey);
  environment_["AWS_SESSION_TOKEN"] = fmt::format("{}\n", kSessionToken);

  const Credentials credentials = get();

  EXPECT_EQ(credentials.access_key_id, "AKIDENVIRONMENT");
  EXPECT_EQ(credentials.secret_access_key.reveal(), kSecretKey);
  EXPECT_EQ(credentials.session_token.reveal(), kSessionToken);
  EXPECT_EQ(credentials.provider, "environment");
}

TEST_F(CredentialChainTest, RefusesAnEnvironmentThatIsSetByHalf) {
  write_default_profile();

  environment_["AWS_ACCESS_KEY_ID"] = "AKIDENVIRONMENT";
  environment_["AWS_SECRET_ACCESS_KEY"] = "";
  Error error = failure();
  EXPECT_EQ(error.kind(), ErrorKind::config);
  EXPECT_THAT(error.what(), HasSubstr("AWS_SECRET_ACCESS_KEY is not"));

  environment_.erase("AWS_ACCESS_KEY_ID");
  environment_["AWS_SECRET_ACCESS_KEY"] = kSecretKey;
  start(options());
  EXPECT_THAT(failure().what(), HasSubstr("AWS_ACCESS_KEY_ID is not"));
}

TEST_F(CredentialChainTest, AsksOneAfterTheOtherInTheOrderOfAws) {
  HttpServer sts(
      [&](const HttpRequest&) { return HttpAnswer{.body = sts_answer(kWeb, "ASIAWEB")}; });
  HttpServer metadata([&](const HttpRequest& request) {
    if (request.path() == "/pod") {
      return HttpAnswer{.body = metadata_answer("ASIAPOD")};
    }
    const bool asks_for_role = request.path().ends_with("security-credentials/");
    return HttpAnswer{.body = request.method == "PUT" ? "metadata-token"
                              : asks_for_role         ? "backup-role"
                                                      : metadata_answer("ASIAINSTANCE")};
  });
  const auto provider = [&] {
    start(options());
    return get().provider;
  };
  set_environment_keys();
  set_web_identity(sts.url());
  write_default_profile();
  environment_["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = metadata.url() + "/pod";
  environment_.erase("AWS_EC2_METADATA_DISABLED");
  environment_["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = metadata.url();

  EXPECT_EQ(provider(), "environment");
  environment_.erase("AWS_ACCESS_KEY_ID");
  environment_.erase("AWS_SECRET_ACCESS_KEY");
  EXPECT_EQ(provider(), "web identity");
  environment_.erase("AWS_ROLE_ARN");
  environment_.erase("AWS_WEB_IDENTITY_TOKEN_FILE");
  EXPECT_EQ(provider(), "profile \"default\"");
  std::filesystem::remove(dir_ / ".aws/credentials");
  EXPECT_EQ(provider(), "container metadata");
  environment_.erase("AWS_CONTAINER_CREDENTIALS_FULL_URI");
  EXPECT_EQ(provider(), "instance metadata");
}

TEST_F(CredentialChainTest, SaysWhereItLookedIfNobodyHasAny) {
  const Error error = failure();

  EXPECT_EQ(error.kind(), ErrorKind::denied);
  EXPECT_EQ(error.side(), Side::repository);
  for (const char* place : {"s3.access_key_id", "AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE",
                            "AWS_SHARED_CREDENTIALS_FILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                            "turned off by AWS_EC2_METADATA_DISABLED"}) {
    EXPECT_THAT(error.what(), HasSubstr(place));
  }
}

TEST_F(CredentialChainTest, DoesNotAskTheNextIfOneThatIsSetUpFails) {
  HttpServer sts({{.status = 403,
                   .body = "<ErrorResponse><Error><Code>AccessDenied</Code>"
                           "</Error></ErrorResponse>"}});
  set_web_identity(sts.url());
  write_default_profile();

  const Error error = failure();

  EXPECT_EQ(error.kind(), ErrorKind::denied);
  EXPECT_THAT(error.what(), HasSubstr("AccessDenied"));
}

TEST_F(CredentialChainTest, FetchesOnceForAllThatAskAtTheSameTime) {
  HttpServer sts(
      [&](const HttpRequest&) { return HttpAnswer{.body = sts_answer(kWeb, "ASIAONCE")}; });
  set_web_identity(sts.url());
  start(options());
  constexpr int kThreads = 8;
  std::latch together(kThreads);
  std::atomic<int> right = 0;

  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&] {
        together.arrive_and_wait();
        right += chain_->get({}).access_key_id == "ASIAONCE" ? 1 : 0;
      });
    }
  }

  EXPECT_EQ(right, kThreads);
  EXPECT_EQ(sts.requests().size(), 1);
}

TEST_F(CredentialChainTest, GivesAFailureToAllThatWaitedForIt) {
  std::latch all_wait(1);
  HttpServer sts([&](const HttpRequest&) {
    all_wait.wait();
    return HttpAnswer{.status = 403, .body = "<Error><Code>AccessDenied</Code></Error>"};
  });
  set_web_identity(sts.url());
  start(options());
  constexpr int kThreads = 4;
  std::atomic<int> denied = 0;

  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&] {
        try {
          chain_->get({});
        } catch (Error& error) {
          error.add_context("each has its own");
          denied += error.kind() == ErrorKind::denied ? 1 : 0;
        }
      });
    }
    EXPECT_TRUE(sts.wait_for_requests(1));
    all_wait.count_down();
  }

  EXPECT_EQ(denied, kThreads);
}

TEST_F(CredentialChainTest, RefreshesFiveMinutesBeforeTheEnd) {
  HttpServer sts([&](const HttpRequest&) {
    return HttpAnswer{.body = sts_answer(kWeb, "ASIAHOUR", hours(1))};
  });
  set_web_identity(sts.url());
  get();

  clock_.advance(minutes(54));
  get();
  EXPECT_EQ(sts.requests().size(), 1);

  clock_.advance(minutes(1));
  EXPECT_EQ(get().expires, clock_.now() + hours(1));
  EXPECT_EQ(sts.requests().size(), 2);
}

TEST_F(CredentialChainTest, RefreshesAtHalfOfAShortLife) {
  HttpServer sts([&](const HttpRequest&) {
    return HttpAnswer{.body = sts_answer(kWeb, "ASIASHORT", minutes(4))};
  });
  set_web_identity(sts.url());
  get();

  clock_.advance(seconds(119));
  get();
  EXPECT_EQ(sts.requests().size(), 1);

  clock_.advance(seconds(1));
  get();
  EXPECT_EQ(sts.requests().size(), 2);
}

TEST_F(CredentialChainTest, LetsOthersUseTheOldOnesWhileOneRefreshes) {
  std::latch refresh_may_end(1);
  HttpServer sts([&, first = true](const HttpRequest&) mutable {
    if (!std::exchange(first, false)) {
      refresh_may_end.wait();
    }
    return HttpAnswer{.body = sts_answer(kWeb, "ASIA")};
  });
  set_web_identity(sts.url());
  get();
  clock_.advance(minutes(56));

  std::jthread refresher([&] { chain_->get({}); });
  ASSERT_TRUE(sts.wait_for_requests(2));
  EXPECT_EQ(get().expires, clock_.now() + minutes(4));

  refresh_may_end.count_down();
  refresher.join();
  EXPECT_EQ(get().expires, clock_.now() + hours(1));
}

TEST_F(CredentialChainTest, UsesTheOldOnesOnIfARefreshFailsAndWarnsOnce) {
  bool down = false;
  HttpServer sts([&](const HttpRequest&) {
    return down
               ? HttpAnswer{.status = 503, .body = "<Error><Code>ServiceUnavailable</Code></Error>"}
               : HttpAnswer{.body = sts_answer(kWeb, "ASIA")};
  });
  set_web_identity(sts.url());
  get();

  down = true;
  clock_.advance(minutes(56));
  for (int i = 0; i < 6; ++i) {
    EXPECT_EQ(get().access_key_id, "ASIA");
    clock_.advance(seconds(10));
  }
  const std::string log = logged();
  EXPECT_EQ(count(log, " warn "), 1) << log;
  EXPECT_THAT(log, HasSubstr("503"));
  EXPECT_EQ(sts.requests().size(), 3) << "it is asked every 30 s and no more";

  clock_.advance(minutes(4));
  const Error error = failure();
  EXPECT_EQ(error.kind(), ErrorKind::unavailable) << "the old ones have ended";

  down = false;
  EXPECT_EQ(get().expires, clock_.now() + hours(1));
}

TEST_F(CredentialChainTest, DoesNotUseTheOldOnesBeyondTheirEndBecauseARefreshFailedJustBefore) {
  bool down = false;
  HttpServer sts([&](const HttpRequest&) {
    return down ? HttpAnswer{.status = 503} : HttpAnswer{.body = sts_answer(kWeb, "ASIA")};
  });
  set_web_identity(sts.url());
  get();

  down = true;
  clock_.advance(minutes(60) - seconds(10));
  EXPECT_EQ(get().expires, clock_.now() + seconds(10));

  down = false;
  clock_.advance(seconds(10));
  EXPECT_EQ(get().expires, clock_.now() + hours(1));
}

TEST_F(CredentialChainTest, WarnsAgainIfItFailsAgainLater) {
  bool down = false;
  HttpServer sts([&](const HttpRequest&) {
    return down ? HttpAnswer{.status = 503} : HttpAnswer{.body = sts_answer(kWeb, "ASIA")};
  });
  set_web_identity(sts.url());
  get();

  for (int i = 0; i < 2; ++i) {
    down = true;
    clock_.advance(minutes(56));
    get();
    down = false;
    clock_.advance(minutes(1));
    get();
  }

  EXPECT_EQ(count(logged(), " warn "), 2);
}

TEST_F(CredentialChainTest, NeverBecomesSomebodyElse) {
  write_default_profile();
  EXPECT_EQ(get().access_key_id, "AKIDPROFILE");
  HttpServer pod({{.body = metadata_answer("ASIAPOD")}});
  environment_["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = pod.url();

  std::filesystem::remove(dir_ / ".aws/credentials");
  const Credentials kept = get();
  EXPECT_EQ(kept.access_key_id, "AKIDPROFILE");
  EXPECT_THAT(logged(), HasSubstr("has no credentials any more"));

  chain_->refuse(kept);
  EXPECT_EQ(failure().kind(), ErrorKind::denied);
  EXPECT_TRUE(pod.requests().empty());
}

TEST_F(CredentialChainTest, FetchesAnewOnceTheStoreRefusedThem) {
  HttpServer sts([&, n = 0](const HttpRequest&) mutable {
    return HttpAnswer{.body = sts_answer(kWeb, fmt::format("ASIA{}", n++))};
  });
  set_web_identity(sts.url());
  const Credentials first = get();

  chain_->refuse(first);
  const Credentials second = get();
  chain_->refuse(first);

  EXPECT_EQ(second.access_key_id, "ASIA1");
  EXPECT_EQ(get().access_key_id, "ASIA1") << "somebody else's late refusal says nothing of it";
}

TEST_F(CredentialChainTest, DoesNotUseWhatTheStoreRefusedEvenIfTheRefreshFails) {
  HttpServer sts({{.body = sts_answer(kWeb, "ASIA")},
                  {.status = 400, .body = "<Error><Code>ExpiredTokenException</Code></Error>"}});
  set_web_identity(sts.url());

  chain_ = nullptr;
  chain_.reset(new CredentialChain(options(), clock_));
  chain_->refuse(get());

  const Error error = failure();
  EXPECT_EQ(error.kind(), ErrorKind::denied);
  EXPECT_THAT(error.what(), HasSubstr("ExpiredTokenException"));
}

TEST_F(CredentialChainTest, UsesWhatHasEndedAlreadyWithoutAskingAllTheTime) {
  HttpServer sts([&](const HttpRequest&) {
    return HttpAnswer{.body = sts_answer(kWeb, "ASIAOLD", -minutes(30))};
  });
  set_web_identity(sts.url());

  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(get().access_key_id, "ASIAOLD");
  }
  EXPECT_EQ(sts.requests().size(), 1);
}

TEST_F(CredentialChainTest, StopsWhileItWaits) {
  HttpServer sts({{.fault = HttpFault::silence}});
  set_web_identity(sts.url());
  start(options());
  std::stop_source stop;
  std::atomic<int> cancelled = 0;
  const auto ask = [&] {
    try {
      chain_->get(stop.get_token());
    } catch (const Error& error) {
      cancelled += error.kind() == ErrorKind::cancelled ? 1 : 0;
    }
  };

  {
    std::jthread one(ask);
    std::jthread other(ask);
    EXPECT_TRUE(sts.wait_for_requests(1));
    stop.request_stop();
  }

  EXPECT_EQ(cancelled, 2);
}

TEST_F(CredentialChainTest, GoesOnForOthersIfWhoeverFetchesIsStopped) {
  HttpServer sts({{.fault = HttpFault::silence}, {.body = sts_answer(kWeb, "ASIA")}});
  set_web_identity(sts.url());
  start(options());
  std::stop_source stop;

  std::jthread stopped([&] { EXPECT_THROW(chain_->get(stop.get_token()), Error); });
  ASSERT_TRUE(sts.wait_for_requests(1));
  std::jthread other([&] { EXPECT_EQ(chain_->get({}).access_key_id, "ASIA"); });
  stop.request_stop();
}

TEST_F(CredentialChainTest, ReadsTheWebTokenAgainAtEveryRefresh) {
  HttpServer sts([&](const HttpRequest&) { return HttpAnswer{.body = sts_answer(kWeb, "ASIA")}; });
  set_web_identity(sts.url());
  get();
  EXPECT_THAT(sts.last_request().body, HasSubstr(kWebToken));

  write("token", "renewed.token.value");
  get();
  EXPECT_EQ(sts.requests().size(), 1) << "a new token is no reason to refresh";

  clock_.advance(minutes(56));
  get();
  EXPECT_THAT(sts.last_request().body, HasSubstr("WebIdentityToken=renewed.token.value"));
}

}  // namespace
}  // namespace keyrewind::s3
