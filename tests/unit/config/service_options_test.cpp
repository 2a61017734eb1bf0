#include "config/service_options.h"

#include "config/load.h"
#include "samples.h"

#include <gmock/gmock.h>

namespace keyrewind::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// The mistakes of the smallest configuration and `more`, which begins in line 7.
std::vector<std::string> mistakes(const std::string& more) {
  std::vector<Problem> problems;
  parse(kSmallest + more, "c.yaml", {}, problems);
  std::vector<std::string> lines;
  for (const Problem& problem : problems) {
    lines.push_back(problem.place + ": " + problem.message);
  }
  return lines;
}

Config parse_well(const std::string& more) {
  std::vector<Problem> problems;
  Config config = parse(kSmallest + more, "c.yaml", {}, problems);
  for (const Problem& problem : problems) {
    ADD_FAILURE() << problem.place << ": " << problem.message;
  }
  return config;
}

TEST(ServiceOptions, AreReadFromAFile) {
  const Config config = parse_well(
      "http:\n"
      "  listen: '[::1]:0'\n"
      "  socket: ''\n"
      "  tls: {cert_file: /c, key_file: /k}\n"
      "  auth: {bearer_token_file: /t, basic_users_file: /u, anonymous: none}\n"
      "notify:\n"
      "  heartbeat_url: https://h/beat\n"
      "  webhooks:\n"
      "  - {url: 'http://chat:8065/x', on: [backup_failed, gap], format: slack}\n"
      "  - {url_file: /f}\n");

  EXPECT_EQ(config.http.listen, "[::1]:0");
  EXPECT_EQ(config.http.socket, "");
  EXPECT_EQ(config.http.tls.cert_file, "/c");
  EXPECT_EQ(config.http.tls.key_file, "/k");
  EXPECT_EQ(config.http.auth.bearer_token_file, "/t");
  EXPECT_EQ(config.http.auth.basic_users_file, "/u");
  EXPECT_EQ(config.http.auth.anonymous, Config::Http::Anonymous::none);
  EXPECT_EQ(config.notify.heartbeat_url.reveal(), "https://h/beat");
  ASSERT_EQ(config.notify.webhooks.size(), 2U);
  EXPECT_EQ(config.notify.webhooks[0].url.reveal(), "http://chat:8065/x");
  EXPECT_THAT(config.notify.webhooks[0].on, ElementsAre("backup_failed", "gap"));
  EXPECT_EQ(config.notify.webhooks[1].url_file, "/f");
  EXPECT_THAT(config.notify.webhooks[1].on, IsEmpty());
  EXPECT_EQ(config.notify.webhooks[0].format, Config::Webhook::Format::slack);
  EXPECT_EQ(config.notify.webhooks[1].format, Config::Webhook::Format::json);
}

TEST(ServiceOptions, RefuseHttpThatContradictsItself) {
  EXPECT_THAT(mistakes("http: {tls: {cert_file: /c}}\n"),
              ElementsAre("c.yaml:7:25: http.tls.cert_file needs http.tls.key_file"));
  EXPECT_THAT(mistakes("http: {tls: {key_file: /k}}\n"),
              ElementsAre("c.yaml:7:24: http.tls.key_file needs http.tls.cert_file"));
  EXPECT_THAT(mistakes("http: {listen: '', tls: {cert_file: /c, key_file: /k}}\n"),
              ElementsAre("c.yaml:7:37: http.tls.cert_file contradicts http.listen, which is "
                          "empty: TLS is for the port"));
  EXPECT_THAT(mistakes("http: {auth: {anonymous: none}}\n"),
              ElementsAre("c.yaml:7:26: http.auth.anonymous none needs http.auth.bearer_token_file "
                          "or http.auth.basic_users_file; without, nobody could ask anything"));
}

TEST(ServiceOptions, RefusePlacesToListenAtThatAreNone) {
  for (const char* listen : {"8379", "localhost", "h:", "h:70000", "h:-1", "::1:8379", "[::1]",
                             "[x]:1", "http://h:1", "h:1/x"}) {
    EXPECT_THAT(mistakes("http: {listen: '" + std::string(listen) + "'}\n"),
                ElementsAre("c.yaml:7:16: http.listen '" + std::string(listen) +
                            "' is no address; write it as 0.0.0.0:8379, [::]:8379 or :8379"));
  }
  EXPECT_THAT(mistakes("http: {socket: run/s}\n"),
              ElementsAre("c.yaml:7:16: http.socket: 'run/s' is not an absolute path"));
  EXPECT_THAT(mistakes("http: {socket: /" + std::string(107, 'a') + "}\n"),
              ElementsAre("c.yaml:7:16: http.socket: the path of a Unix socket has at most 107 "
                          "bytes, and this one has 108"));
}

TEST(ServiceOptions, NeverRepeatAUrlThatIsWrong) {
  for (const char* url : {"hunter2", "ftp://h/hunter2", "https://", "https:///hunter2", "http://:1",
                          "https://h/hunter2 x"}) {
    const std::string wrong =
        "must begin with https:// or http:// and a host; the value is not shown, as it may be "
        "secret";
    EXPECT_THAT(mistakes("notify: {heartbeat_url: '" + std::string(url) + "'}\n"),
                ElementsAre("c.yaml:7:25: notify.heartbeat_url: " + wrong));
    EXPECT_THAT(mistakes("notify: {webhooks: [{url: '" + std::string(url) + "'}]}\n"),
                ElementsAre("c.yaml:7:27: notify.webhooks.0.url: " + wrong));
  }
}

TEST(ServiceOptions, WantOneUrlForEachWebhook) {
  EXPECT_THAT(
      mistakes("notify:\n"
               "  heartbeat_url: https://h\n"
               "  heartbeat_url_file: /f\n"
               "  webhooks:\n"
               "  - {url: 'https://h', url_file: /f}\n"
               "  - {on: [gap, restore]}\n"),
      ElementsAre(
          "c.yaml:8:18: notify.heartbeat_url and notify.heartbeat_url_file contradict each "
          "other; keep one",
          "c.yaml:11:11: notify.webhooks.0.url and notify.webhooks.0.url_file contradict "
          "each other; keep one",
          "c.yaml:12:5: notify.webhooks.1 needs a url or a url_file",
          "c.yaml:12:16: notify.webhooks.1.on: 'restore' is nothing that a webhook is told "
          "of; those are: backup_failed, gap, verify_failed, restored, lease_lost, unhealthy; "
          "did you mean 'restored'?"));
}

TEST(ServiceOptions, BlameTheVariableOfAWebhookWithoutUrl) {
  try {
    load(std::nullopt,
         {{"KEYREWIND_CONFIG_YAML", kSmallest}, {"KEYREWIND_NOTIFY__WEBHOOKS__0__ON", "gap"}});
    FAIL() << "was taken";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("notify.webhooks.0 needs a url or a url_file"));
  }
}

}  // namespace
}  // namespace keyrewind::config
