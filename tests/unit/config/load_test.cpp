#include "config/load.h"

#include "base/error.h"
#include "config/options.h"
#include "samples.h"
#include "support/temp_dir.h"

#include <gmock/gmock.h>

#include <fstream>

namespace keyrewind::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

/// The mistakes of a YAML text as "c.yaml:LINE:COLUMN: message".
std::vector<std::string> mistakes(std::string_view yaml, const Environment& environment = {}) {
  std::vector<Problem> problems;
  parse(yaml, "c.yaml", environment, problems);
  std::vector<std::string> lines;
  for (const Problem& problem : problems) {
    lines.push_back(problem.place + ": " + problem.message);
  }
  return lines;
}

Config parse_well(std::string_view yaml, const Environment& environment = {}) {
  std::vector<Problem> problems;
  Config config = parse(yaml, "c.yaml", environment, problems);
  for (const Problem& problem : problems) {
    ADD_FAILURE() << problem.place << ": " << problem.message;
  }
  return config;
}

/// The smallest configuration and more.
std::string with(const std::string& more) {
  return kSmallest + more;
}

/// The smallest configuration with `more` in its section `source`, from line 5 on.
std::string with_source(const std::string& more) {
  std::string yaml = kSmallest;
  return yaml.insert(yaml.find("repository:"), more);
}

/// The same with an address that is encrypted.
std::string with_tls_source(const std::string& more) {
  std::string yaml = with_source(more);
  return yaml.replace(yaml.find("valkey:"), 7, "valkeys:");
}

std::string failure_of(const std::optional<std::string>& file, const Environment& environment) {
  try {
    load(file, environment);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::config);
    return error.what();
  }
  return "no failure";
}

class LoadFile : public testing::Test {
 protected:
  std::string write(const std::string& text) const {
    std::ofstream(file_) << text;
    return file_;
  }

  const test::TempDir dir_;
  const std::string file_ = dir_ / "c.yaml";
};

TEST(Parse, ReadsTheSmallestConfiguration) {
  const Config config = parse_well(kSmallest);

  EXPECT_EQ(config.source.name, "orders");
  EXPECT_EQ(config.source.address, "valkey://127.0.0.1:6379");
  EXPECT_EQ(config.repository.url, "file:///var/lib/keyrewind/repository");
  EXPECT_EQ(config.limits.memory, Config().limits.memory);
}

TEST(Parse, ReadsFlowStyleAliasesAndWindowsLineEnds) {
  const Config config = parse_well(
      "version: 1\r\n"
      "source: {name: &name orders, address: 'unix:///run/v.sock', username: *name,\r\n"
      "         password_file: /p}\r\n"
      "repository: {url: file:///r}\r\n"
      "limits: {memory: 67108864, cpu_threads: 64}\r\n");

  EXPECT_EQ(config.source.username, "orders");
  EXPECT_EQ(config.limits.memory, 64U << 20U);
  EXPECT_EQ(config.limits.cpu_threads, 64U);
}

TEST(Parse, TakesASectionWhoseOptionsAreAllCommentedOut) {
  parse_well(with("limits:\n  # memory: 1GiB\n"));
}

TEST(Parse, KeepsATextAsItStands) {
  const Config config = parse_well(with_source("  username: 007\n  password_file: no\n"));

  EXPECT_EQ(config.source.username, "007");
  EXPECT_EQ(config.source.password_file, "no");
}

TEST(Parse, SuggestsTheKeyThatWasMeant) {
  EXPECT_THAT(mistakes(with("sorce: 1\n")),
              ElementsAre("c.yaml:7:1: unknown key 'sorce'; did you mean 'source'?"));
  EXPECT_THAT(mistakes(with_source("  passwordfile: /p\n")),
              ElementsAre("c.yaml:5:3: unknown key 'passwordfile' in source; did you mean "
                          "'password_file'?"));
  EXPECT_THAT(mistakes(with_source("  ca_file: /p\n")),
              ElementsAre("c.yaml:5:3: unknown key 'ca_file' in source; it belongs in source.tls"));
  EXPECT_THAT(mistakes(with("zzz: 1\n")), ElementsAre("c.yaml:7:1: unknown key 'zzz'"));
}

TEST(Parse, DoesNotTakeDotsInAKeyForAPath) {
  EXPECT_THAT(mistakes(with("compression.level: 3\n")),
              ElementsAre("c.yaml:7:1: unknown key 'compression.level'; write 'level' in a line of "
                          "its own below 'compression'"));
  EXPECT_THAT(mistakes(with(".: 3\n")), ElementsAre("c.yaml:7:1: unknown key '.'"));
}

TEST(Parse, KnowsWhatComesLater) {
  EXPECT_THAT(mistakes(with("compaction: {schedule: '@daily'}\n")),
              ElementsAre("c.yaml:7:24: compaction.schedule: compaction is not available in this "
                          "version; leave it empty"));
  EXPECT_THAT(mistakes(with("drills: {schedule: '@daily'}\n")),
              ElementsAre("c.yaml:7:20: drills.schedule: drills by schedule are not available in "
                          "this version; leave it empty, and run 'keyrewind drill' from cron"));
  EXPECT_THAT(mistakes(with("snapshots: {method: scan}\n")),
              ElementsAre("c.yaml:7:21: snapshots.method scan is not available in this version; it "
                          "has auto, full_sync"));
  EXPECT_THAT(mistakes(with("compaction: {schedule: '', server: valkey-server}\n")), IsEmpty());
}

TEST(Parse, RefusesDuplicateKeys) {
  EXPECT_THAT(mistakes(with_source("  name: other\n")),
              ElementsAre("c.yaml:5:3: duplicate key 'source.name'; it stands in line 3 already"));
  EXPECT_THAT(mistakes(with("source: {}\n")),
              ElementsAre("c.yaml:7:1: duplicate key 'source'; it stands in line 2 already"));
}

TEST(Parse, RefusesTheWrongKindOfValue) {
  EXPECT_THAT(mistakes(with_source("  username: {a: b}\n")),
              ElementsAre("c.yaml:5:13: source.username must be text, not a map"));
  EXPECT_THAT(mistakes(with("compression: {level: [1]}\n")),
              ElementsAre("c.yaml:7:22: compression.level must be a whole number, not a list"));
  EXPECT_THAT(mistakes(with("limits: {memory: [1]}\n")),
              ElementsAre("c.yaml:7:18: limits.memory must be a size, not a list"));
  EXPECT_THAT(mistakes(with("limits: 5\n")),
              ElementsAre("c.yaml:7:9: limits must be a map of options, not a single value"));
  EXPECT_THAT(mistakes(with_source("  username:\n")),
              ElementsAre("c.yaml:5:3: source.username has no value; leave it out, or write one"));
  EXPECT_THAT(mistakes(with("? [a]\n: b\n")),
              ElementsAre("c.yaml:7:3: a key must be text, not a list"));
}

TEST(Parse, RefusesTagsOfOtherPrograms) {
  EXPECT_THAT(
      mistakes(with_source("  username: !env USER\n")),
      ElementsAre("c.yaml:5:13: source.username has the tag '!env', which means nothing here"));
}

TEST(Parse, RefusesNumbersThatAreNoneOrOutOfRange) {
  for (const std::string text :
       {"0", "20", "-1", "1.0", "010", "0x3", "+3", "1e1", "three", "99999999999999999999999"}) {
    EXPECT_THAT(mistakes(with("compression: {level: " + text + "}\n")),
                ElementsAre("c.yaml:7:22: compression.level must be a whole number from 1 to 19, "
                            "not '" +
                            text + "'"));
  }
  EXPECT_THAT(mistakes(with("compression: {level: '3'}\n")),
              ElementsAre("c.yaml:7:22: compression.level must be a whole number from 1 to 19, "
                          "without quotes"));
}

TEST(Parse, RefusesSizesThatAreNoneOrTooSmall) {
  for (const std::string text : {"1MiB", "64mib", "x", "1.5GiB", "-1GiB"}) {
    EXPECT_THAT(mistakes(with("limits: {memory: " + text + "}\n")),
                ElementsAre("c.yaml:7:18: limits.memory must be a size of at least 64MiB, such as "
                            "256MiB, not '" +
                            text + "'"));
  }
}

TEST(Parse, ReadsHowToFollowTheLog) {
  const Config config = parse_well(
      with_source(
          "  read_from: primary\n"
          "  sentinel: {master: mymaster, addresses: [one, \"two:1\", 'valkeys://three:2']}\n") +
      "log:\n"
      "  enabled: false\n"
      "  segment_max_age: 1m30s\n"
      "  segment_max_size: 64KiB\n"
      "  spool: {dir: /data/spool, max_size: 1MiB}\n"
      "quotas: {full_sync_min_interval: 0s}\n");

  EXPECT_EQ(config.source.read_from, replica::ReadFrom::primary);
  EXPECT_EQ(config.source.sentinel.master, "mymaster");
  EXPECT_THAT(config.source.sentinel.addresses, ElementsAre("one", "two:1", "valkeys://three:2"));
  EXPECT_FALSE(config.log.enabled);
  EXPECT_EQ(config.log.segment_max_age, std::chrono::seconds(90));
  EXPECT_EQ(config.log.segment_max_size, 64U << 10U);
  EXPECT_EQ(config.log.spool.dir, "/data/spool");
  EXPECT_EQ(config.log.spool.max_size, 1U << 20U);
  EXPECT_EQ(config.quotas.full_sync_min_interval, std::chrono::milliseconds(0));
}

TEST(Parse, RefusesDurationsThatAreNoneOrOutOfRange) {
  for (const std::string text : {"10", "99ms", "2h", "1.5s", "10 s", "-1s", "soon", "''"}) {
    EXPECT_THAT(mistakes(with("log: {segment_max_age: " + text + "}\n")),
                ElementsAre("c.yaml:7:24: log.segment_max_age must be a duration from 100ms to 1h, "
                            "such as 2s, not " +
                            (text == "''" ? text : "'" + text + "'")));
  }
  EXPECT_THAT(mistakes(with("log: {segment_max_age: [1]}\n")),
              ElementsAre("c.yaml:7:24: log.segment_max_age must be a duration, not a list"));
}

TEST(Parse, RefusesSizesThatAreTooLarge) {
  EXPECT_THAT(mistakes(with("log: {segment_max_size: 2GiB}\n")),
              ElementsAre("c.yaml:7:25: log.segment_max_size must be a size from 64KiB to 1GiB, "
                          "such as 16MiB, not '2GiB'"));
}

TEST(Parse, TakesTrueAndFalseAndNothingLikeThem) {
  EXPECT_TRUE(parse_well(with("log: {enabled: true}\n")).log.enabled);
  EXPECT_FALSE(parse_well(with("log: {enabled: '${ON}'}\n"), {{"ON", "false"}}).log.enabled);
  for (const std::string text : {"yes", "False", "0", "off", "~x"}) {
    EXPECT_THAT(mistakes(with("log: {enabled: " + text + "}\n")),
                ElementsAre("c.yaml:7:16: log.enabled must be true or false, not '" + text + "'"));
  }
  EXPECT_THAT(mistakes(with("log: {enabled: 'true'}\n")),
              ElementsAre("c.yaml:7:16: log.enabled must be true or false, without quotes"));
  EXPECT_THAT(mistakes(with("log: {enabled: {}}\n")),
              ElementsAre("c.yaml:7:16: log.enabled must be true or false, not a map"));
}

TEST(Parse, ReadsAListInAnyForm) {
  const std::string head = "  sentinel:\n    master: m\n    addresses: ";
  const Environment environment{{"ONE", "one"}, {"ALL", " one:1, two ,three"}, {"NONE", ""}};
  const auto read = [&](const std::string& list) {
    return parse_well(with_source(head + list + "\n"), environment).source.sentinel.addresses;
  };

  EXPECT_THAT(read("[one, two]"), ElementsAre("one", "two"));
  EXPECT_THAT(read("\n    - one\n    - two:1"), ElementsAre("one", "two:1"));
  EXPECT_THAT(read("['${ONE}', 'x-${ONE}']"), ElementsAre("one", "x-one"));
  EXPECT_THAT(read("${ALL}"), ElementsAre("one:1", "two", "three"));
  EXPECT_THAT(parse_well(with_source("  sentinel: {addresses: '${NONE}'}\n"), environment)
                  .source.sentinel.addresses,
              IsEmpty());
  EXPECT_THAT(parse_well(with_source("  sentinel: {addresses: []}\n")).source.sentinel.addresses,
              IsEmpty());
}

TEST(Parse, RefusesListsWithWhatDoesNotBelongThere) {
  const std::string head = "  sentinel: {master: m, addresses: ";
  const Environment environment{{"HOLES", "one,,two"}, {"BAD", "b@d"}, {"WORSE", "http://h"}};
  const auto lines = [&](const std::string& list) {
    return mistakes(with_source(head + list + "}\n"), environment);
  };

  EXPECT_THAT(lines("one"), ElementsAre("c.yaml:5:36: source.sentinel.addresses must be a list of "
                                        "texts, not a single value; write ['one']"));
  EXPECT_THAT(lines("{a: b}"),
              ElementsAre("c.yaml:5:36: source.sentinel.addresses must be a list of texts, not a "
                          "map"));
  EXPECT_THAT(lines("[one, [two], '']"),
              ElementsAre("c.yaml:5:42: an entry of source.sentinel.addresses must be text, not a "
                          "list"));
  EXPECT_THAT(lines("[one, '']"),
              ElementsAre("c.yaml:5:42: source.sentinel.addresses has an empty entry"));
  EXPECT_THAT(lines("'${HOLES}'"),
              ElementsAre("c.yaml:5:36: source.sentinel.addresses has an empty entry"));
  EXPECT_THAT(
      lines("[one, '${NOBODY}']"),
      ElementsAre(HasSubstr("c.yaml:5:42: source.sentinel.addresses: the variable NOBODY")));
  EXPECT_THAT(lines("[!x one]"), ElementsAre("c.yaml:5:37: source.sentinel.addresses has the tag "
                                             "'!x', which means nothing here"));
  EXPECT_THAT(lines("[a, 'b:0', c d]"), ElementsAre(HasSubstr("c.yaml:5:40: source.sentinel"),
                                                    HasSubstr("c.yaml:5:47: source.sentinel")));
  EXPECT_THAT(lines("['${BAD}']"), ElementsAre(HasSubstr("holds credentials")));
  EXPECT_THAT(lines("['${WORSE}']"), ElementsAre(HasSubstr("is not shown")));
}

TEST(Parse, RefusesHalfASentinel) {
  EXPECT_THAT(mistakes(with_source("  sentinel: {master: m}\n")),
              ElementsAre("c.yaml:5:22: source.sentinel.master needs source.sentinel.addresses"));
  EXPECT_THAT(mistakes(with_source("  sentinel: {addresses: [h]}\n")),
              ElementsAre("c.yaml:5:25: source.sentinel.addresses needs source.sentinel.master"));
}

TEST(Parse, RefusesSentinelForThisNode) {
  EXPECT_THAT(mistakes(with_source("  read_from: this_node\n"
                                   "  sentinel: {master: m, addresses: [h]}\n")),
              ElementsAre("c.yaml:5:14: source.read_from this_node and source.sentinel contradict "
                          "each other: this_node never looks for others; keep one"));
  EXPECT_THAT(mistakes(with_source("  read_from: this_node\n")), IsEmpty());
}

TEST(Parse, TakesTlsFilesForSentinelAlone) {
  const std::string tls = "  tls: {ca_file: /ca}\n  sentinel: {master: m, addresses: ";

  EXPECT_THAT(mistakes(with_source(tls + "['rediss://h']}\n")), IsEmpty());
  EXPECT_THAT(mistakes(with_source(tls + "[h]}\n")), testing::SizeIs(1));
}

TEST(Parse, RefusesASpoolThatTwoSegmentsFill) {
  EXPECT_THAT(mistakes(with("log: {spool: {max_size: 127MiB}}\n")),
              ElementsAre("c.yaml:7:25: log.spool.max_size 127MiB must be at least twice "
                          "log.segment_max_size 64MiB"));
  EXPECT_THAT(mistakes(with("log: {segment_max_size: 512MiB, spool: {max_size: 1023MiB}}\n")),
              ElementsAre("c.yaml:7:51: log.spool.max_size 1023MiB must be at least twice "
                          "log.segment_max_size 512MiB"));
  EXPECT_THAT(mistakes(with("log: {segment_max_size: 1GiB}\n")), IsEmpty());
}

TEST(Parse, RefusesASpoolWhoseFolderDependsOnWhereOneStands) {
  EXPECT_THAT(mistakes(with("log: {spool: {dir: spool}}\n")),
              ElementsAre("c.yaml:7:20: log.spool.dir: 'spool' is not an absolute path"));
  EXPECT_THAT(mistakes(with("log: {spool: {dir: ''}}\n")),
              ElementsAre("c.yaml:7:20: log.spool.dir: '' is not an absolute path"));
}

TEST(Parse, RefusesWordsThatAreNotOffered) {
  EXPECT_THAT(mistakes(with("logging: {level: wran}\n")),
              ElementsAre("c.yaml:7:18: logging.level must be one of debug, info, warn, error, not "
                          "'wran'; did you mean 'warn'?"));
}

TEST(Parse, RefusesNamesThatCannotBeStored) {
  EXPECT_THAT(mistakes("version: 1\n"
                       "source: {name: a/b, address: 'valkey://h'}\n"
                       "repository: {url: 'file:///r'}\n"),
              ElementsAre("c.yaml:2:16: source.name must be 1 to 63 letters, digits, '.', '_' or "
                          "'-', beginning with a letter or digit, not 'a/b'"));
}

TEST(Parse, RefusesAddressesAndUrlsThatNobodyCanOpen) {
  const auto lines = mistakes(
      "version: 1\n"
      "source: {name: a, address: 'http://h'}\n"
      "repository: {url: 'ftp://h/r'}\n");

  ASSERT_EQ(lines.size(), 2U);
  EXPECT_THAT(lines[0], testing::StartsWith("c.yaml:2:28: source.address"));
  EXPECT_THAT(lines[0], HasSubstr("http://h"));
  EXPECT_THAT(lines[1], testing::StartsWith("c.yaml:3:19: repository.url"));
  EXPECT_THAT(lines[1], HasSubstr("ftp://h/r"));
}

TEST(Parse, RefusesControlCharacters) {
  EXPECT_THAT(mistakes(with_source("  username: \"a\\nb\"\n  password_file: /p\n")),
              ElementsAre("c.yaml:5:13: source.username must not contain line breaks or other "
                          "control characters"));
}

TEST(Parse, SaysWhatIsMissing) {
  EXPECT_THAT(
      mistakes("source: {}\n"),
      ElementsAre("c.yaml:1:1: source.name is missing; write 'name: orders', or set "
                  "KEYREWIND_SOURCE__NAME",
                  "c.yaml:1:1: source.address is missing; write 'address: "
                  "valkey://127.0.0.1:6379', or set KEYREWIND_SOURCE__ADDRESS",
                  "c.yaml: version is missing; write 'version: 1'",
                  "c.yaml: repository.url is missing; write 'url: "
                  "file:///var/lib/keyrewind/repository', or set KEYREWIND_REPOSITORY__URL"));
  EXPECT_THAT(mistakes("version: 1\nsource: {name: '', address: ''}\nrepository: {url: ''}\n"),
              ElementsAre("c.yaml:2:16: source.name must not be empty",
                          "c.yaml:2:29: source.address must not be empty",
                          "c.yaml:3:19: repository.url must not be empty"));
}

TEST(Parse, DoesNotCallMissingWhatIsWrong) {
  EXPECT_THAT(mistakes("version: one\nsource: here\nrepository: [there]\n"),
              ElementsAre("c.yaml:1:10: version must be 1, not 'one'",
                          "c.yaml:2:9: source must be a map of options, not a single value",
                          "c.yaml:3:13: repository must be a map of options, not a list"));
}

TEST(Parse, SaysNothingElseOfAnotherVersion) {
  EXPECT_THAT(mistakes("unheard_of: true\nversion: 2\n"),
              ElementsAre("c.yaml:2:10: version 2 of the configuration is not known to this "
                          "program, which reads version 1"));
}

TEST(Parse, RefusesTwoPasswords) {
  EXPECT_THAT(mistakes(with_source("  password: ${PW}\n  password_file: /p\n"), {{"PW", "x"}}),
              ElementsAre("c.yaml:5:13: source.password and source.password_file contradict each "
                          "other; keep one"));
}

TEST(Parse, RefusesAUserWhoCannotLogIn) {
  EXPECT_THAT(mistakes(with_source("  username: backup\n")),
              ElementsAre("c.yaml:5:13: source.username needs a password to log in with; set "
                          "source.password_file"));
  EXPECT_THAT(mistakes(with_source("  username: backup\n  password: ${PW}\n"), {{"PW", ""}}),
              ElementsAre("c.yaml:5:13: source.username needs a password to log in with; set "
                          "source.password_file"));
}

TEST(Parse, RefusesTlsOptionsForWhatIsNotEncrypted) {
  EXPECT_THAT(mistakes(with_source("  tls: {ca_file: /ca, server_name: h}\n")),
              ElementsAre("c.yaml:5:18: source.tls.ca_file contradicts source.address, which is "
                          "not encrypted; begin the address with valkeys:// or rediss://",
                          "c.yaml:5:36: source.tls.server_name contradicts source.address, which "
                          "is not encrypted; begin the address with valkeys:// or rediss://"));
  EXPECT_THAT(mistakes("version: 1\n"
                       "source: {name: a, address: 'unix:///s', tls: {ca_file: /ca}}\n"
                       "repository: {url: 'file:///r'}\n"),
              ElementsAre("c.yaml:2:56: source.tls.ca_file contradicts source.address: a Unix "
                          "socket has no TLS"));
}

TEST(Parse, RefusesHalfACertificate) {
  EXPECT_THAT(mistakes(with_tls_source("  tls: {cert_file: /c}\n")),
              ElementsAre("c.yaml:5:20: source.tls.cert_file needs source.tls.key_file"));
  EXPECT_THAT(mistakes(with_tls_source("  tls: {key_file: /k}\n")),
              ElementsAre("c.yaml:5:19: source.tls.key_file needs source.tls.cert_file"));
  EXPECT_THAT(mistakes(with_tls_source("  tls: {cert_file: /c, key_file: /k}\n")), IsEmpty());
}

TEST(Parse, ReportsAllMistakesByLine) {
  EXPECT_THAT(
      mistakes("repository: {url: file:///r}\n"
               "limits:\n"
               "  cpu_threads: 0\n"
               "  memory: 1\n"
               "source:\n"
               "  nam: orders\n"
               "  address: valkey://h\n"
               "  username: ${NOBODY}\n"
               "drill: {}\n"),
      ElementsAre("c.yaml:3:16: limits.cpu_threads must be a whole number from 1 to 64, not '0'",
                  "c.yaml:4:11: limits.memory must be a size of at least 64MiB, such as 256MiB, "
                  "not '1'",
                  "c.yaml:5:1: source.name is missing; write 'name: orders', or set "
                  "KEYREWIND_SOURCE__NAME",
                  "c.yaml:6:3: unknown key 'nam' in source; did you mean 'name'?",
                  "c.yaml:8:13: source.username: the variable NOBODY is not set; set it, or give a "
                  "default with ${NOBODY:-default}",
                  "c.yaml:9:1: unknown key 'drill'; did you mean 'drills'?",
                  "c.yaml: version is missing; write 'version: 1'"));
}

TEST(Parse, PlacesSyntaxErrors) {
  EXPECT_THAT(mistakes("version: 1\nsource: {name: a\nrepository: ]\n"),
              ElementsAre(testing::MatchesRegex("c.yaml:[0-9]+:[0-9]+: not valid YAML: .*")));
  EXPECT_THAT(mistakes("version: 1\n\tsource: 1\n"),
              ElementsAre(testing::StartsWith("c.yaml:2:1: not valid YAML: ")));
  EXPECT_THAT(mistakes("version: *nobody\n"),
              ElementsAre(testing::StartsWith("c.yaml:1:10: not valid YAML: ")));
}

TEST(Parse, RefusesWhatIsNoConfigurationAtAll) {
  EXPECT_THAT(mistakes(""), ElementsAre("c.yaml: is empty; 'version: 1' begins a configuration"));
  EXPECT_THAT(mistakes("# nothing\n---\n"),
              ElementsAre("c.yaml: is empty; 'version: 1' begins a configuration"));
  EXPECT_THAT(mistakes("- version: 1\n"),
              ElementsAre("c.yaml:1:1: a configuration must be a map, not a list"));
  EXPECT_THAT(mistakes("hello\n"),
              ElementsAre("c.yaml:1:1: a configuration must be a map, not a single value"));
  EXPECT_THAT(mistakes(with("---\nversion: 1\n")),
              ElementsAre("c.yaml:7:1: a second document begins; a configuration is a single one"));
  EXPECT_THAT(mistakes(std::string((1 << 20) + 1, '#')),
              ElementsAre("c.yaml: is larger than 1048576 bytes, so it is no configuration"));
}

TEST(Parse, RefusesDocumentsWithoutEnd) {
  EXPECT_THAT(mistakes(",`"), Not(IsEmpty()));
  EXPECT_THAT(mistakes(with("...\n,`")), Not(IsEmpty()));
}

TEST(Parse, SurvivesNestingAndAliasesWithoutEnd) {
  EXPECT_THAT(mistakes(std::string(100000, '[')),
              ElementsAre(testing::EndsWith("is nested too deeply to be a configuration")));
  EXPECT_THAT(mistakes("version: 1\nsource: &s {tls: *s, name: *s}\n"), Not(IsEmpty()));
  std::string laughs = "a0: &a0 [ha, ha]\n";
  for (int i = 1; i < 100; ++i) {
    const std::string before = std::to_string(i - 1);
    const std::string name = std::to_string(i);
    laughs +=
        "a" + name + ": &a" + name + " [*a" + before + ", *a" + before + ", *a" + before + "]\n";
  }
  EXPECT_THAT(mistakes(with(laughs + "limits: *a99\n")), testing::SizeIs(101));
}

TEST(Parse, PutsVariablesIntoValuesOnly) {
  const Environment environment{{"NAME", "orders"}, {"LEVEL", "7"}, {"MEMORY", "1GiB"}};
  const Config config = parse_well(
      "version: ${VERSION:-1}\n"
      "source: {name: '${NAME}', address: 'valkey://${NAME}-0.${NAME}'}\n"
      "repository: {url: 'file:///srv/${NAME}'}\n"
      "compression: {level: \"${LEVEL}\"}\n"
      "limits: {memory: '${MEMORY}'}\n"
      "logging: {level: '${LOG:-warn}'}\n",
      environment);

  EXPECT_EQ(config.source.address, "valkey://orders-0.orders");
  EXPECT_EQ(config.repository.url, "file:///srv/orders");
  EXPECT_EQ(config.compression.level, 7U);
  EXPECT_EQ(config.limits.memory, 1U << 30U);
  EXPECT_EQ(config.logging.level, log::Level::warn);

  EXPECT_THAT(mistakes(with("\"${NAME}\": 1\n"), environment),
              ElementsAre("c.yaml:7:1: unknown key '${NAME}'"));
}

TEST(Parse, DoesNotReadTheValueOfAVariableAsYaml) {
  EXPECT_THAT(mistakes("version: 1\n"
                       "source: {name: '${NAME}', address: 'valkey://h'}\n"
                       "repository: {url: 'file:///r'}\n",
                       {{"NAME", "a, address: 'valkey://evil'"}}),
              ElementsAre("c.yaml:2:16: source.name must be 1 to 63 letters, digits, '.', '_' or "
                          "'-', beginning with a letter or digit, which the value of '${NAME}' is "
                          "not"));
}

TEST(Parse, TakesAPasswordFromAVariableOnly) {
  EXPECT_EQ(
      parse_well(with_source("  password: ${PW}\n"), {{"PW", "hunter2"}}).source.password.reveal(),
      "hunter2");
  EXPECT_THAT(
      mistakes(with_source("  password: hunter2\n")),
      ElementsAre("c.yaml:5:13: source.password must not be written out here; put it into a "
                  "file and name that in source.password_file, or into the variable "
                  "KEYREWIND_SOURCE__PASSWORD"));
  EXPECT_TRUE(parse_well(with_source("  password: ''\n")).source.password.empty());
}

TEST(Parse, DoesNotShowWhatAVariableHolds) {
  const auto lines = mistakes(
      "version: 1\nsource: {name: a, address: '${WHERE}'}\nrepository: {url: 'file:///r'}\n",
      {{"WHERE", "http://h"}});

  EXPECT_THAT(lines, ElementsAre("c.yaml:2:28: source.address: the value of '${WHERE}' is not "
                                 "accepted; it is not shown, as variables may be secret"));
}

TEST(Parse, NeverShowsASecretInAMistake) {
  const Environment environment{{"PW", "hunter2"}};
  const std::vector<std::string> places = {
      "source: {name: '${PW}/', address: '${PW}', username: \"${PW}\\n\", password: '${PW}',\n"
      "  password_file: '${PW}', tls: '${PW}'}\n",
      "source: {name: a, address: 'valkey://:${PW}@h', tls: {ca_file: '${PW}'}}\n",
      "source: {name: a, address: 'valkey://user:hunter2@h', password: hunter2}\n",
      "source: {password: {a: hunter2}}\nrepository: {url: '${PW}'}\n",
      "source: {password: [hunter2]}\nrepository: {url: 's3://user:hunter2@h/b'}\n",
      "source: {password: !x hunter2}\nrepository: {url: 's3://user:${PW}@h/b'}\n",
      "compression: {level: '${PW}'}\nlimits: {memory: '${PW}'}\nlogging: {level: '${PW}'}\n"};

  for (const std::string& yaml : places) {
    const auto lines = mistakes("version: 1\n" + yaml, environment);
    EXPECT_THAT(lines, Not(IsEmpty()));
    for (const std::string& line : lines) {
      EXPECT_THAT(line, Not(HasSubstr("hunter2")));
    }
  }
}

TEST(Load, NeedsNoFile) {
  const Config config = load(std::nullopt, {{"KEYREWIND_SOURCE__NAME", "orders"},
                                            {"KEYREWIND_SOURCE__ADDRESS", "valkey://h"},
                                            {"KEYREWIND_REPOSITORY__URL", "file:///r"},
                                            {"KEYREWIND_LIMITS__MEMORY", "1GiB"},
                                            {"KEYREWIND_SOURCE__PASSWORD", "hunter2"},
                                            {"HOME", "/"}});

  EXPECT_EQ(config.source.name, "orders");
  EXPECT_EQ(config.limits.memory, 1U << 30U);
  EXPECT_EQ(config.source.password.reveal(), "hunter2");
}

TEST(Load, SaysHowToGiveWhatIsMissingWithoutAFile) {
  EXPECT_EQ(failure_of(std::nullopt, {{"KEYREWIND_SOURCE__NAME", "a"},
                                      {"KEYREWIND_SOURCE__ADDRESS", "redis://h"}}),
            "environment: repository.url is missing; write 'url: "
            "file:///var/lib/keyrewind/repository', or set KEYREWIND_REPOSITORY__URL");
}

TEST(Load, TakesAWholeFileFromAVariable) {
  const Environment environment{{"KEYREWIND_CONFIG_YAML", kSmallest}};

  EXPECT_EQ(load(std::nullopt, environment).source.name, "orders");
  EXPECT_EQ(origin(std::nullopt, environment), "KEYREWIND_CONFIG_YAML");
  EXPECT_EQ(failure_of(std::nullopt, {{"KEYREWIND_CONFIG_YAML", with("limit: 1\n")}}),
            "KEYREWIND_CONFIG_YAML:7:1: unknown key 'limit'; did you mean 'limits'?");
}

TEST_F(LoadFile, LetsVariablesWinOverTheFile) {
  const std::string file = write(with("compression: {level: 3}\n"));

  const Config config = load(file, {{"KEYREWIND_COMPRESSION__LEVEL", "9"},
                                    {"KEYREWIND_SOURCE__NAME", "other"},
                                    {"KEYREWIND_CONFIG_YAML", "not: read"}});

  EXPECT_EQ(config.compression.level, 9U);
  EXPECT_EQ(config.source.name, "other");
  EXPECT_EQ(config.source.address, "valkey://127.0.0.1:6379");
}

TEST_F(LoadFile, DoesNotExpandVariablesWithinVariables) {
  const std::string file = write(kSmallest);

  EXPECT_EQ(load(file, {{"KEYREWIND_SOURCE__PASSWORD", "a${HOME}$$"}}).source.password.reveal(),
            "a${HOME}$$");
}

TEST_F(LoadFile, ReportsMistakesOfFileAndVariablesTogether) {
  const std::string file = write(with("limits: {memory: 1}\n"));

  EXPECT_EQ(failure_of(file, {{"KEYREWIND_COMPRESSION__LEVEL", "30"},
                              {"KEYREWIND_SOURCE__NAMES", "x"},
                              {"KEYREWIND_SNAPSHOTS__METHOD", "scan"},
                              {"KEYREWIND_SOURCE__PASSWORD", "hunter2"},
                              {"KEYREWIND_SOURCE__PASSWORD_FILE", "/p"}}),
            "5 mistakes in the configuration\n" + file +
                ":7:18: limits.memory must be a size of at least 64MiB, such as 256MiB, not '1'\n"
                "KEYREWIND_COMPRESSION__LEVEL: compression.level must be a whole number from 1 to "
                "19, not '30'\n"
                "KEYREWIND_SNAPSHOTS__METHOD: snapshots.method scan is not available in this "
                "version; it has auto, full_sync\n"
                "KEYREWIND_SOURCE__NAMES: unknown variable; did you mean "
                "'KEYREWIND_SOURCE__NAME'?\n"
                "KEYREWIND_SOURCE__PASSWORD: source.password and source.password_file contradict "
                "each other; keep one");
}

TEST_F(LoadFile, DoesNotListMistakesWithoutEnd) {
  std::string yaml = kSmallest;
  for (int i = 0; i < 60; ++i) {
    yaml += "x" + std::to_string(i) + ": 1\n";
  }

  const std::string failure = failure_of(write(yaml), {});

  EXPECT_THAT(failure, testing::StartsWith("60 mistakes in the configuration\n"));
  EXPECT_THAT(failure, testing::EndsWith("'x49'\nand 10 more"));
}

TEST_F(LoadFile, SaysWhyAFileCannotBeRead) {
  EXPECT_THAT(failure_of(file_, {}), HasSubstr(file_ + ": No such file or directory"));
  EXPECT_THAT(failure_of(dir_.path(), {}), HasSubstr("Is a directory"));
  EXPECT_THAT(failure_of(write(std::string((1 << 20) + 1, '#')), {}), HasSubstr("1048576"));
}

/// What contradicts nothing, so that `option` may be set by itself.
Environment surroundings_of(const Option& option) {
  Environment environment{{"KEYREWIND_SOURCE__ADDRESS", "valkeys://h"},
                          {"KEYREWIND_SOURCE__NAME", "a"},
                          {"KEYREWIND_REPOSITORY__URL", "file:///r"}};
  const std::string_view path = option.path;
  if (path == "source.username") {
    environment["KEYREWIND_SOURCE__PASSWORD_FILE"] = "/p";
  }
  if (path == "source.tls.cert_file" || path == "source.tls.key_file") {
    environment["KEYREWIND_SOURCE__TLS__CERT_FILE"] = "/c";
    environment["KEYREWIND_SOURCE__TLS__KEY_FILE"] = "/k";
  }
  if (path.starts_with("source.sentinel.")) {
    environment["KEYREWIND_SOURCE__SENTINEL__MASTER"] = "m";
    environment["KEYREWIND_SOURCE__SENTINEL__ADDRESSES"] = "h";
  }
  std::string section = "KEYREWIND_REPOSITORY__";
  if (path.starts_with("copies.")) {
    section = "KEYREWIND_COPIES__0__";
    environment[section + "NAME"] = "dr";
    environment[section + "URL"] = "file:///c";
  }
  if (path.find(".s3.") != std::string_view::npos) {
    environment[section + "URL"] = "s3://bucket";
  }
  if (path.starts_with("snapshots.schedules.")) {
    environment["KEYREWIND_SNAPSHOTS__SCHEDULES__0__NAME"] = "nightly";
    environment["KEYREWIND_SNAPSHOTS__SCHEDULES__0__CRON"] = "@daily";
  }
  if (path == "notify.webhooks.0.on" || path == "notify.webhooks.0.format") {
    environment["KEYREWIND_NOTIFY__WEBHOOKS__0__URL"] = "https://h";
  }
  if (path.starts_with("http.tls.")) {
    environment["KEYREWIND_HTTP__TLS__CERT_FILE"] = "/c";
    environment["KEYREWIND_HTTP__TLS__KEY_FILE"] = "/k";
  }
  if (path == "http.auth.anonymous") {
    environment["KEYREWIND_HTTP__AUTH__BEARER_TOKEN_FILE"] = "/t";
  }
  const std::string s3 = section + "S3__";
  const std::string_view leaf = leaf_of(path);
  if (leaf == "access_key_id" || leaf.starts_with("secret_access_key") || leaf == "session_token") {
    environment[s3 + "ACCESS_KEY_ID"] = "AK";
    if (leaf != "secret_access_key") {
      environment[s3 + "SECRET_ACCESS_KEY_FILE"] = "/s";
    }
  }
  if (leaf == "kms_key_id") {
    environment[s3 + "SERVER_SIDE_ENCRYPTION"] = "aws:kms";
  }
  if (leaf == "customer_key_file" || leaf == "server_side_encryption") {
    environment[s3 + "SERVER_SIDE_ENCRYPTION"] = "SSE-C";
    environment[s3 + "CUSTOMER_KEY_FILE"] = "/k";
  }
  if (leaf.starts_with("object_lock_")) {
    environment[s3 + "OBJECT_LOCK_MODE"] = "GOVERNANCE";
    environment[s3 + "OBJECT_LOCK_DURATION"] = "1d";
  }
  return environment;
}

/// A file that says `path: value`, and what it needs beside that.
std::string file_with(std::string path, const std::string& value) {
  std::string yaml = path == "version" ? "{" : "{version: 1, ";
  std::string ends = "}";
  for (auto dot = path.find('.'); dot != std::string::npos; dot = path.find('.')) {
    yaml += "\"" + path.substr(0, dot) + "\": ";
    path.erase(0, dot + 1);
    const bool is_list = path.starts_with("0.");
    path.erase(0, is_list ? 2 : 0);
    yaml += is_list ? "[{" : "{";
    ends.insert(0, is_list ? "}]" : "}");
  }
  return yaml + "\"" + path + "\": " + value + ends;
}

TEST_F(LoadFile, TakesEveryOptionFromFileAndFromVariable) {
  std::vector<const Option*> all;
  for (const char* entry :
       {"copies.0", "copies.0.s3", "snapshots.schedules.0", "notify.webhooks.0"}) {
    for (const Option* option : options_in(entry)) {
      all.push_back(option);
    }
  }
  for (const Option& option : options()) {
    if (option.kind != Kind::entries) {
      all.push_back(&option);
    }
  }
  for (const Option* option : all) {
    Environment environment = surroundings_of(*option);
    const std::string value =
        option->path == "source.name" ? std::string("other") : other_value(*option);
    const std::string variable = variable_of(option->path);

    environment[variable] = value;
    const std::string from_variable = to_yaml(load(std::nullopt, environment));

    environment.erase(variable);
    environment["OTHER"] = value;
    const std::string from_file =
        to_yaml(load(write(file_with(option->path, "'${OTHER}'")), environment));

    EXPECT_EQ(from_variable, from_file) << option->path;
    const std::string shown = option->path == "source.name" ? value : other_value_shown(*option);
    EXPECT_THAT(from_file, HasSubstr(std::string(leaf_of(option->path)) + ": " + shown + "\n"))
        << option->path;
  }
}

}  // namespace
}  // namespace keyrewind::config
