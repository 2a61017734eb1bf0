#include "config/options.h"

#include <gmock/gmock.h>

#include <set>

namespace keyrewind::config {
namespace {

TEST(Options, AreEachDescribedOnce) {
  std::set<std::string_view> paths;
  for (const Option& option : options()) {
    EXPECT_TRUE(paths.insert(option.path).second) << option.path;
    EXPECT_TRUE(option.description.ends_with('.')) << option.path;
    EXPECT_FALSE(option.example.empty()) << option.path;
  }
}

TEST(Options, StandInSectionsThatAreDescribed) {
  std::set<std::string_view> described{""};
  for (const Section& section : sections()) {
    EXPECT_TRUE(section.description.ends_with('.')) << section.path;
    described.insert(section.path);
  }
  for (const Option& option : options()) {
    EXPECT_TRUE(described.contains(parent_of(option.path))) << option.path;
  }
}

TEST(Options, OfASectionFollowEachOther) {
  std::set<std::string_view> seen;
  std::string_view current;
  for (const Option& option : options()) {
    if (option.kind == Kind::entries) {
      continue;  // Stands where it belongs, between sections.
    }
    const std::string_view section = parent_of(option.path);
    if (section != current) {
      EXPECT_TRUE(seen.insert(section).second) << section << " is opened twice";
      current = section;
    }
  }
}

TEST(Options, HaveDefaultsThatTheyWouldAccept) {
  const Config defaults;
  for (const Option& option : options()) {
    if (option.kind == Kind::integer || option.kind == Kind::size || option.kind == Kind::percent) {
      Config copy = defaults;
      const std::uint64_t value = std::get<IntegerField>(option.field)(copy);
      EXPECT_GE(value, option.zero_is_none ? 0 : option.min) << option.path;
      EXPECT_LE(value, option.max) << option.path;
    }
  }
}

TEST(Options, HaveDefaultDurationsThatTheyWouldAccept) {
  for (const Option& option : options()) {
    if (option.kind == Kind::duration) {
      Config copy;
      const auto value = std::get<DurationField>(option.field)(copy).count();
      EXPECT_GE(value, static_cast<std::int64_t>(option.min)) << option.path;
      EXPECT_LE(value, static_cast<std::int64_t>(option.max)) << option.path;
    }
  }
}

TEST(Options, WithAPatternCheckItAndHaveWordsForIt) {
  for (const Option& option : options()) {
    EXPECT_EQ(option.pattern.empty(), option.is_valid == nullptr) << option.path;
    EXPECT_EQ(option.pattern.empty(), option.pattern_in_words.empty()) << option.path;
  }
}

TEST(Options, OfReadingNameThePoliciesInTheirOrder) {
  const auto words = find_option("source.read_from")->words;
  for (std::size_t i = 0; i < words.size(); ++i) {
    EXPECT_EQ(words[i], to_string(static_cast<replica::ReadFrom>(i)));
  }
}

TEST(Options, HaveDefaultRatesThatTheyWouldAccept) {
  for (const Option& option : options()) {
    if (option.kind == Kind::rate) {
      Config copy;
      EXPECT_EQ(std::get<IntegerField>(option.field)(copy), 0U) << option.path;
    }
  }
}

TEST(Options, OfACopyAreThoseOfTheRepositoryAndAName) {
  std::vector<std::string> of_repository{"copies.0.name"};
  for (const Option& option : options()) {
    if (option.path.starts_with("repository.")) {
      of_repository.push_back("copies.0." + option.path.substr(std::string("repository.").size()));
    }
  }
  std::vector<std::string> of_copy;
  for (const Option& option : entry_options()) {
    if (option.path.starts_with("copies.0.")) {
      of_copy.push_back(option.path);
    }
  }

  EXPECT_EQ(of_copy, of_repository);
  EXPECT_EQ(entry_options().size(),
            kMaxEntries * (of_copy.size() + options_in("snapshots.schedules.0").size() +
                           options_in("notify.webhooks.0").size()));
}

TEST(Options, OfEntriesAreKeptInTheirEntry) {
  Config config;
  std::get<TextField>(find_option("copies.2.url")->field)(config) = "file:///c";

  ASSERT_EQ(config.copies.size(), 3U);
  EXPECT_EQ(config.copies[2].url, "file:///c");
  EXPECT_EQ(find_option("copies.8.url"), nullptr);

  std::get<TextField>(find_option("snapshots.schedules.1.cron")->field)(config) = "@daily";
  std::get<SecretField>(find_option("notify.webhooks.7.url")->field)(config) = Secret("https://h");

  ASSERT_EQ(config.snapshots.schedules.size(), 2U);
  EXPECT_EQ(config.snapshots.schedules[1].cron, "@daily");
  ASSERT_EQ(config.notify.webhooks.size(), 8U);
}

TEST(VariableOf, JoinsTheCapitalPathByTwoUnderscores) {
  EXPECT_EQ(variable_of("source.tls.ca_file"), "KEYREWIND_SOURCE__TLS__CA_FILE");
  EXPECT_EQ(variable_of("version"), "KEYREWIND_VERSION");
  EXPECT_EQ(variable_of("copies.0.s3.region"), "KEYREWIND_COPIES__0__S3__REGION");
}

}  // namespace
}  // namespace keyrewind::config
