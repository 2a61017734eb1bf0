#include "config/load.h"
#include "config/options.h"
#include "samples.h"

#include <gmock/gmock.h>

namespace keyrewind::config {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr const char* kSource =
    "version: 1\n"
    "source: {name: orders, address: 'valkey://h'}\n";

std::vector<std::string> mistakes(const std::string& more, const Environment& environment = {}) {
  std::vector<Problem> problems;
  parse(kSource + more, "c.yaml", environment, problems);
  std::vector<std::string> lines;
  for (const Problem& problem : problems) {
    lines.push_back(problem.place + ": " + problem.message);
  }
  return lines;
}

/// Those of a repository in S3 with `options` of its section s3, which begin at column 37.
std::vector<std::string> mistakes_of_s3(const std::string& options,
                                        const Environment& environment = {}) {
  return mistakes("repository: {url: 's3://bucket', s3: {" + options + "}}\n", environment);
}

Config parse_well(const std::string& more, const Environment& environment = {}) {
  std::vector<Problem> problems;
  Config config = parse(kSource + more, "c.yaml", environment, problems);
  for (const Problem& problem : problems) {
    ADD_FAILURE() << problem.place << ": " << problem.message;
  }
  return config;
}

/// Those of copies, below a repository that is sound.
std::vector<std::string> mistakes_of_copies(const std::string& copies) {
  return mistakes("repository: {url: 'file:///r'}\n" + copies);
}

std::string failure_of(const Environment& environment) {
  try {
    load(std::nullopt, environment);
  } catch (const Error& error) {
    return error.what();
  }
  return "no failure";
}

TEST(ParseRepository, ReadsWhatAStoreNeeds) {
  const Config config = parse_well(
      "repository:\n"
      "  url: s3://backups/prod\n"
      "  connections: 8\n"
      "  retry_time: 2m\n"
      "  s3:\n"
      "    endpoint: https://objects.example.com:9000\n"
      "    region: eu-central-1\n"
      "    path_style: true\n"
      "    access_key_id: AK\n"
      "    secret_access_key: ${S3_SECRET}\n"
      "    session_token: ${TOKEN}\n"
      "    server_side_encryption: aws:kms\n"
      "    kms_key_id: key-1\n"
      "    storage_class: STANDARD_IA\n"
      "    tags: [team=storage, 'why=a=b']\n"
      "    object_lock_mode: COMPLIANCE\n"
      "    object_lock_duration: 14d\n"
      "    ca_file: /ca\n"
      "encryption: {recipients: [" +
          std::string(kRecipient) +
          "], allow_plaintext: true}\n"
          "lease: {enabled: false, ttl: 5s}\n"
          "quotas: {receive_rate: 100MB/s, upload_rate: 50MiB/s}\n",
      {{"S3_SECRET", "hunter2"}, {"TOKEN", "hunter3"}});

  const auto& s3 = config.repository.s3;
  EXPECT_EQ(config.repository.name, "primary");
  EXPECT_EQ(config.repository.connections, 8U);
  EXPECT_EQ(config.repository.retry_time, std::chrono::minutes(2));
  EXPECT_EQ(s3.endpoint, "https://objects.example.com:9000");
  EXPECT_TRUE(s3.path_style);
  EXPECT_EQ(s3.secret_access_key.reveal(), "hunter2");
  EXPECT_EQ(s3.session_token.reveal(), "hunter3");
  EXPECT_EQ(s3.server_side_encryption, "aws:kms");
  EXPECT_THAT(s3.tags, ElementsAre("team=storage", "why=a=b"));
  EXPECT_EQ(s3.object_lock_mode, "COMPLIANCE");
  EXPECT_EQ(s3.object_lock_duration, std::chrono::hours(14 * 24));
  EXPECT_THAT(config.encryption.recipients, ElementsAre(kRecipient));
  EXPECT_TRUE(config.encryption.allow_plaintext);
  EXPECT_FALSE(config.lease.enabled);
  EXPECT_EQ(config.lease.ttl, std::chrono::seconds(5));
  EXPECT_EQ(config.quotas.receive_rate, 100'000'000U);
  EXPECT_EQ(config.quotas.upload_rate, 50U << 20U);
}

TEST(ParseRepository, NamesWhatIsWrongWithAUrl) {
  EXPECT_THAT(mistakes("repository: {url: 's3://Bucket'}\n"),
              ElementsAre(HasSubstr("c.yaml:3:19: repository.url: 's3://Bucket' names no valid "
                                    "bucket")));
  EXPECT_THAT(mistakes("repository: {url: 'gs://bucket'}\n"),
              ElementsAre("c.yaml:3:19: repository.url: 'gs://bucket' is of a kind that this "
                          "Keyrewind doesn't know: file:// and s3:// are; write it like "
                          "file:///var/lib/keyrewind/repository or s3://bucket/prefix"));
}

TEST(ParseRepository, RefusesEndpointsThatAreNone) {
  for (const char* endpoint :
       {"objects.example.com", "https://h/bucket", "https://h?x=1", "ftp://h", "https://",
        "https://h:0", "https://h:70000", "https://h:x", "https://u:hunter2@h", "https://h h"}) {
    const auto lines = mistakes_of_s3("endpoint: '" + std::string(endpoint) + "'");
    EXPECT_THAT(lines, ElementsAre("c.yaml:3:49: repository.s3.endpoint: must be https://HOST or "
                                   "https://HOST:PORT, and nothing behind that"))
        << endpoint;
  }
  EXPECT_THAT(mistakes_of_s3("endpoint: 'http://[::1]:9000'"), IsEmpty());
  EXPECT_THAT(mistakes_of_s3("endpoint: ''"), IsEmpty());
}

TEST(ParseRepository, TakesSecretsFromVariablesOnly) {
  EXPECT_THAT(mistakes_of_s3("access_key_id: AK, secret_access_key: hunter2"),
              ElementsAre("c.yaml:3:77: repository.s3.secret_access_key must not be written out "
                          "here; put it into a file and name that in "
                          "repository.s3.secret_access_key_file, or into the variable "
                          "KEYREWIND_REPOSITORY__S3__SECRET_ACCESS_KEY"));
  EXPECT_THAT(
      mistakes_of_s3("access_key_id: AK, secret_access_key_file: /s, session_token: hunter2"),
      ElementsAre("c.yaml:3:101: repository.s3.session_token must not be written out here; put it "
                  "into the variable KEYREWIND_REPOSITORY__S3__SESSION_TOKEN"));
}

TEST(ParseRepository, RefusesHalfAKey) {
  EXPECT_THAT(mistakes_of_s3("access_key_id: AK"),
              ElementsAre(HasSubstr("repository.s3.access_key_id needs "
                                    "repository.s3.secret_access_key_file")));
  EXPECT_THAT(mistakes_of_s3("secret_access_key_file: /s"),
              ElementsAre(HasSubstr("repository.s3.secret_access_key_file needs "
                                    "repository.s3.access_key_id")));
  EXPECT_THAT(mistakes_of_s3("session_token: '${T}'", {{"T", "t"}}),
              ElementsAre(HasSubstr("repository.s3.session_token needs "
                                    "repository.s3.access_key_id")));
  EXPECT_THAT(
      mistakes_of_s3("access_key_id: AK, secret_access_key: '${T}', secret_access_key_file: /s",
                     {{"T", "t"}}),
      ElementsAre(HasSubstr("repository.s3.secret_access_key and "
                            "repository.s3.secret_access_key_file contradict each other")));
  EXPECT_THAT(mistakes_of_s3("access_key_id: AK, secret_access_key_file: /s, profile: p"),
              ElementsAre(HasSubstr("repository.s3.profile and repository.s3.access_key_id "
                                    "contradict each other")));
}

TEST(ParseRepository, RefusesKeysOfAnotherEncryption) {
  EXPECT_THAT(mistakes_of_s3("kms_key_id: k"),
              ElementsAre("c.yaml:3:51: repository.s3.kms_key_id needs "
                          "repository.s3.server_side_encryption aws:kms"));
  EXPECT_THAT(mistakes_of_s3("kms_key_id: k, server_side_encryption: AES256"),
              ElementsAre(HasSubstr("repository.s3.kms_key_id needs")));
  EXPECT_THAT(mistakes_of_s3("customer_key_file: /k"),
              ElementsAre(HasSubstr("repository.s3.customer_key_file needs "
                                    "repository.s3.server_side_encryption SSE-C")));
  EXPECT_THAT(mistakes_of_s3("server_side_encryption: SSE-C"),
              ElementsAre(HasSubstr("repository.s3.server_side_encryption SSE-C needs "
                                    "repository.s3.customer_key_file")));
  EXPECT_THAT(mistakes_of_s3("server_side_encryption: aes256"),
              ElementsAre("c.yaml:3:63: repository.s3.server_side_encryption must be one of "
                          "AES256, aws:kms, SSE-C, not 'aes256'; did you mean 'AES256'?"));
}

TEST(ParseRepository, DoesNotBlameAnOptionForAnotherOnesMistake) {
  EXPECT_THAT(mistakes_of_s3("kms_key_id: k, server_side_encryption: kms"), testing::SizeIs(1));
}

TEST(ParseRepository, RefusesHalfAnObjectLock) {
  EXPECT_THAT(mistakes_of_s3("object_lock_duration: 14d"),
              ElementsAre("c.yaml:3:61: repository.s3.object_lock_duration needs "
                          "repository.s3.object_lock_mode"));
  EXPECT_THAT(mistakes_of_s3("object_lock_mode: GOVERNANCE"),
              ElementsAre(HasSubstr("repository.s3.object_lock_mode needs "
                                    "repository.s3.object_lock_duration")));
}

TEST(ParseRepository, RefusesBadTags) {
  EXPECT_THAT(mistakes_of_s3("tags: [team]"),
              ElementsAre("c.yaml:3:46: repository.s3.tags: 'team' is no tag; write KEY=VALUE"));
  EXPECT_THAT(mistakes_of_s3("tags: ['=x']"), ElementsAre(HasSubstr("is no tag")));
  EXPECT_THAT(mistakes_of_s3("tags: [a=1, a=2]"),
              ElementsAre(HasSubstr("repository.s3.tags has the key 'a' twice")));
  EXPECT_THAT(mistakes_of_s3("tags: [a=" + std::string(257, 'x') + "]"),
              ElementsAre(HasSubstr("is too long")));
  EXPECT_THAT(mistakes_of_s3("tags: [a=, b=, c=, d=, e=, f=, g=, h=, i=, j=, k=]"),
              ElementsAre(HasSubstr("has 11 tags; an object has 10 at most")));
}

TEST(ParseRepository, RefusesAuthoritiesOfWhatIsNotEncrypted) {
  EXPECT_THAT(mistakes_of_s3("endpoint: 'http://h', ca_file: /ca"),
              ElementsAre(HasSubstr("repository.s3.ca_file contradicts repository.s3.endpoint, "
                                    "which is not encrypted")));
}

TEST(ParseRepository, RefusesOptionsOfAnotherKindOfStore) {
  EXPECT_THAT(mistakes("repository: {url: 'file:///r', s3: {region: r, path_style: true}}\n"),
              ElementsAre("c.yaml:3:45: repository.s3.region contradicts repository.url, which "
                          "does not begin with s3://",
                          "c.yaml:3:60: repository.s3.path_style contradicts repository.url, "
                          "which does not begin with s3://"));
  EXPECT_THAT(mistakes("repository: {url: 'file:///r', s3: {region: '', path_style: false}}\n"),
              IsEmpty());
}

TEST(ParseRepository, SaysWhereAKeyBelongs) {
  EXPECT_THAT(mistakes("repository: {url: 's3://bucket', region: r}\n"),
              ElementsAre("c.yaml:3:34: unknown key 'region' in repository; it belongs in "
                          "repository.s3"));
  EXPECT_THAT(
      mistakes_of_copies("copies: [{name: dr, url: 's3://bucket', region: r}]\n"),
      ElementsAre("c.yaml:4:41: unknown key 'region' in copies.0; it belongs in copies.0.s3"));
}

TEST(ParseEncryption, ChecksEachRecipient) {
  const auto lines = mistakes(
      "repository: {url: 'file:///r'}\n"
      "encryption: {recipients: [" +
      std::string(kRecipient) + ", age1nonsense]}\n");
  EXPECT_THAT(lines, ElementsAre(testing::StartsWith("c.yaml:4:91: encryption.recipients: ")));
}

TEST(ParseEncryption, NeverRepeatsASecretKey) {
  const std::string secret =
      "AGE-SECRET-KEY-1QQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQ";
  const auto lines =
      mistakes("repository: {url: 'file:///r'}\nencryption: {recipients: [" + secret + "]}\n");

  ASSERT_THAT(lines, testing::SizeIs(1));
  EXPECT_THAT(lines[0], Not(HasSubstr("QQQQ")));
}

TEST(ParseRate, TakesBytesASecondAndNothingElse) {
  for (const char* good : {"0", "16KiB/s", "50MiB/s", "1 GB/s", "20000B/s"}) {
    EXPECT_THAT(mistakes("repository: {url: 'file:///r'}\nquotas: {upload_rate: " +
                         std::string(good) + "}\n"),
                IsEmpty())
        << good;
  }
  for (const char* bad : {"1", "50MiB", "50MiB/h", "20000/s", "-1MiB/s", "1KiB/s", "fast", "/s"}) {
    EXPECT_THAT(mistakes("repository: {url: 'file:///r'}\nquotas: {upload_rate: " +
                         std::string(bad) + "}\n"),
                ElementsAre("c.yaml:4:23: quotas.upload_rate must be 0 or a rate of at least "
                            "16KiB/s, such as 50MiB/s, not '" +
                            std::string(bad) + "'"))
        << bad;
  }
}

TEST(ParseLease, HasBoundsOfItsTime) {
  for (const char* bad : {"500ms", "2h", "30"}) {
    EXPECT_THAT(
        mistakes("repository: {url: 'file:///r'}\nlease: {ttl: " + std::string(bad) + "}\n"),
        ElementsAre(HasSubstr("lease.ttl must be a duration from 1s to 1h")))
        << bad;
  }
}

TEST(ParseCopies, ReadsEach) {
  const Config config = parse_well(
      "repository: {url: 'file:///r'}\n"
      "copies:\n"
      "- name: dr\n"
      "  url: s3://backups-dr/prod\n"
      "  s3: {region: us-west-2}\n"
      "- {name: usb, url: 'file:///mnt/usb', retry_time: 5s}\n");

  ASSERT_EQ(config.copies.size(), 2U);
  EXPECT_EQ(config.copies[0].name, "dr");
  EXPECT_EQ(config.copies[0].s3.region, "us-west-2");
  EXPECT_EQ(config.copies[1].url, "file:///mnt/usb");
  EXPECT_EQ(config.copies[1].retry_time, std::chrono::seconds(5));
  EXPECT_EQ(config.copies[1].connections, 4U);
}

TEST(ParseCopies, MayBeCommentedOut) {
  EXPECT_THAT(mistakes_of_copies("copies:\n  # - name: dr\n"), IsEmpty());
  EXPECT_THAT(mistakes_of_copies("copies: []\n"), IsEmpty());
}

TEST(ParseCopies, PlacesTheMistakesOfEach) {
  EXPECT_THAT(
      mistakes_of_copies("copies:\n"
                         "- {name: dr, url: 's3://bucket', s3: {regio: r}}\n"
                         "- {name: usb, url: 'usb'}\n"
                         "- {connections: 65}\n"),
      ElementsAre("c.yaml:5:39: unknown key 'regio' in copies.0.s3; did you mean 'region'?",
                  HasSubstr("c.yaml:6:20: copies.1.url: 'usb' is of a kind that"),
                  "c.yaml:7:3: copies.2.name is missing; write 'name: dr', or set "
                  "KEYREWIND_COPIES__2__NAME",
                  HasSubstr("c.yaml:7:3: copies.2.url is missing; write 'url: "),
                  "c.yaml:7:17: copies.2.connections must be a whole number from 1 to 64, not "
                  "'65'"));
}

TEST(ParseCopies, MustBeMapsInAList) {
  EXPECT_THAT(mistakes_of_copies("copies: {name: dr}\n"),
              ElementsAre("c.yaml:4:9: copies must be a list of maps, not a map"));
  EXPECT_THAT(mistakes_of_copies("copies: dr\n"),
              ElementsAre("c.yaml:4:9: copies must be a list of maps, not a single value"));
  EXPECT_THAT(mistakes_of_copies("copies: [dr, ~]\n"),
              ElementsAre("c.yaml:4:9: copies.1 must be a map of options, not empty",
                          "c.yaml:4:10: copies.0 must be a map of options, not a single value"));
  EXPECT_THAT(mistakes_of_copies("copies: [{}, {}, {}, {}, {}, {}, {}, {}, {}]\n"),
              ElementsAre("c.yaml:4:9: copies has 9 entries; 8 are the most that there may be"));
  EXPECT_THAT(mistakes_of_copies("copies: !include x\n"), Not(IsEmpty()));
}

TEST(ParseCopies, HaveNamesOfTheirOwn) {
  EXPECT_THAT(mistakes_of_copies("copies:\n"
                                 "- {name: dr, url: 'file:///a'}\n"
                                 "- {name: dr, url: 'file:///b'}\n"
                                 "- {name: primary, url: 'file:///c'}\n"
                                 "- {name: 'd r', url: 'file:///d'}\n"),
              ElementsAre("c.yaml:6:10: copies.1.name 'dr' is another copy's already",
                          "c.yaml:7:10: copies.2.name must not be 'primary', which is what the "
                          "repository itself is called",
                          HasSubstr("c.yaml:8:10: copies.3.name must be 1 to 63 letters")));
}

TEST(ParseCopies, HavePlacesOfTheirOwn) {
  EXPECT_THAT(mistakes_of_copies("copies:\n"
                                 "- {name: a, url: 'file:///r/'}\n"
                                 "- {name: b, url: 's3://bucket/x'}\n"
                                 "- {name: c, url: 's3://bucket/x', s3: {endpoint: 'http://h'}}\n"
                                 "- {name: d, url: 's3://bucket/x'}\n"),
              ElementsAre(HasSubstr("c.yaml:5:18: copies.0.url is where the repository or another "
                                    "copy is already"),
                          HasSubstr("c.yaml:8:18: copies.3.url is where")));
}

TEST(ParseCopies, ContradictThemselvesAsTheRepositoryDoes) {
  EXPECT_THAT(
      mistakes_of_copies("copies: [{name: dr, url: 's3://bucket', s3: {kms_key_id: k}}]\n"),
      ElementsAre("c.yaml:4:58: copies.0.s3.kms_key_id needs copies.0.s3.server_side_encryption "
                  "aws:kms"));
}

TEST(LoadCopies, MayComeFromVariablesAlone) {
  const Config config = load(std::nullopt, {{"KEYREWIND_SOURCE__NAME", "orders"},
                                            {"KEYREWIND_SOURCE__ADDRESS", "valkey://h"},
                                            {"KEYREWIND_REPOSITORY__URL", "file:///r"},
                                            {"KEYREWIND_COPIES__0__NAME", "dr"},
                                            {"KEYREWIND_COPIES__0__URL", "s3://bucket"},
                                            {"KEYREWIND_COPIES__0__S3__REGION", "us-west-2"},
                                            {"KEYREWIND_COPIES__1__NAME", "usb"},
                                            {"KEYREWIND_COPIES__1__URL", "file:///mnt"}});

  ASSERT_EQ(config.copies.size(), 2U);
  EXPECT_EQ(config.copies[0].s3.region, "us-west-2");
  EXPECT_EQ(config.copies[1].name, "usb");
}

TEST(LoadCopies, NamesWhatVariablesLack) {
  const Environment sound{{"KEYREWIND_SOURCE__NAME", "orders"},
                          {"KEYREWIND_SOURCE__ADDRESS", "valkey://h"},
                          {"KEYREWIND_REPOSITORY__URL", "file:///r"}};
  const auto failure_with = [&](const std::string& name, const std::string& value) {
    Environment environment = sound;
    environment[name] = value;
    return failure_of(environment);
  };

  EXPECT_EQ(failure_with("KEYREWIND_COPIES__0__URL", "s3://bucket"),
            "environment: copies.0.name is missing; write 'name: dr', or set "
            "KEYREWIND_COPIES__0__NAME");
  EXPECT_THAT(failure_with("KEYREWIND_COPIES__1__NAME", "dr"),
              HasSubstr("environment: copies.0.url is missing"));
  EXPECT_EQ(failure_with("KEYREWIND_COPIES", "dr"),
            "KEYREWIND_COPIES: copies must be a list of maps; the options of its first begin with "
            "KEYREWIND_COPIES__0__");
  EXPECT_EQ(failure_with("KEYREWIND_COPIES__0__NAM", "dr"),
            "KEYREWIND_COPIES__0__NAM: unknown variable; did you mean "
            "'KEYREWIND_COPIES__0__NAME'?");
  EXPECT_THAT(failure_with("KEYREWIND_COPIES__8__NAME", "dr"),
              HasSubstr("KEYREWIND_COPIES__8__NAME: unknown variable"));
}

}  // namespace
}  // namespace keyrewind::config
