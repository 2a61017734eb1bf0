#include "restore/verify_log.h"

#include "base/error.h"
#include "catalog/names.h"
#include "catalog/repository.h"
#include "store/encrypted_store.h"
#include "store/memory_store.h"
#include "support/faulty_store.h"
#include "support/manual_clock.h"
#include "unit/catalog/sample.h"
#include "unit/restore/log_writer.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace keyrewind::restore {
namespace {

using keyrewind::test::FaultyStore;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

const std::string kLineage(40, 'a');
constexpr std::int64_t kBegin = 1000;

std::string command(int number) {
  const std::string value = fmt::format("value-{}", number);
  return fmt::format("*3\r\n$3\r\nSET\r\n$5\r\nk{:04}\r\n${}\r\n{}\r\n", number, value.size(),
                     value);
}

/// A backup with a log behind it, in a plain store or an encrypted one.
class VerifyLog : public testing::Test {
 protected:
  explicit VerifyLog(bool encrypted = false)
      : store_(std::make_unique<FaultyStore>(ground_),
               encrypted ? std::vector{identity_.recipient()} : std::vector<codec::AgeRecipient>(),
               {identity_}) {
    catalog::ensure_repository(store_, clock_, {});
    first_ = back_up(kBegin, 0);
    for (int i = 0; i < 5; ++i) {
      log_.seal(command(2 * i) + command(2 * i + 1), at(10 * (i + 1)));
    }
    second_ = back_up(log_.segments()[2].begin, 25);
  }

  static Timestamp at(int seconds) {
    return keyrewind::test::sample_time() + std::chrono::seconds(seconds);
  }

  std::string back_up(std::int64_t offset, int seconds) {
    clock_.set(at(seconds));
    catalog::Writer writer(catalog_, clock_, {});
    catalog::Manifest manifest =
        keyrewind::test::sample_manifest("orders", writer.new_id(), at(seconds), store_.encrypts());
    catalog::Snapshot& snapshot = manifest.snapshots.front();
    snapshot.lineage = kLineage;
    snapshot.replid = std::string(40, 'b');
    snapshot.offset = offset;
    snapshot.taken = at(seconds);
    return writer.commit(manifest, {}).id;
  }

  LogVerification verify(const std::optional<std::string>& backup,
                         VerifyLevel level = VerifyLevel::parse) {
    return verify_in(store_, backup, level);
  }

  LogVerification verify_in(store::ObjectStore& store, const std::optional<std::string>& backup,
                            VerifyLevel level) {
    const catalog::Catalog catalog(store, "orders");
    const VerifyOptions options{.level = level, .read = {}, .server = {}, .temporary = {}};
    Progress progress;
    return verify_log(catalog, backup, options, progress, {});
  }

  /// Changes the stored bytes of the segment number `number`.
  void change(std::size_t number, const std::function<void(Bytes&)>& change) {
    const std::string& name = log_.objects()[number].object;
    Bytes content = *ground_.get(name, 1U << 20U, {});
    change(content);
    ground_.remove(name, {});
    ground_.put_if_absent(name, content, {});
  }

  void flip_data(std::size_t number) {
    change(number, [](Bytes& content) { content[5] ^= std::byte{1}; });
  }

  static constexpr auto kLevels = {VerifyLevel::checksum, VerifyLevel::parse, VerifyLevel::load};

  const codec::AgeIdentity identity_{
      "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX"};
  store::MemoryStore ground_;
  store::EncryptedStore store_;
  keyrewind::test::ManualClock clock_{keyrewind::test::sample_time()};
  catalog::Catalog catalog_{store_, "orders"};
  test::LogWriter log_{store_, "orders", kLineage, std::string(40, 'b'), kBegin};
  std::string first_;
  std::string second_;
};

TEST_F(VerifyLog, FindsASoundLogSound) {
  for (const VerifyLevel level : kLevels) {
    const LogVerification all = verify(std::nullopt, level);

    EXPECT_THAT(all.problems, IsEmpty());
    ASSERT_THAT(all.logs, SizeIs(1));
    const VerifiedLog& log = all.logs.front();
    EXPECT_EQ(log.lineage, kLineage);
    EXPECT_EQ(log.begin, kBegin);
    EXPECT_EQ(log.end, log_.end());
    EXPECT_EQ(log.from, at(0));
    EXPECT_EQ(log.until, at(50));
    EXPECT_EQ(log.segments, 5U);
    EXPECT_EQ(log.unreadable, 0U);
    EXPECT_EQ(log.raw_bytes, level == VerifyLevel::checksum ? 0 : log_.raw().size());
    EXPECT_THAT(log.damages, IsEmpty());
  }
}

TEST_F(VerifyLog, BehindABackupBeginsThere) {
  const LogVerification found = verify(second_);

  ASSERT_THAT(found.logs, SizeIs(1));
  EXPECT_EQ(found.logs.front().begin, log_.segments()[2].begin);
  EXPECT_EQ(found.logs.front().segments, 3U);
  EXPECT_EQ(found.logs.front().from, at(25));
}

TEST_F(VerifyLog, HasNothingOfABackupWithoutALog) {
  const std::string alone = back_up(log_.end() + 500, 60);

  EXPECT_THAT(verify(alone).logs, IsEmpty());
  EXPECT_THAT(verify(std::nullopt).logs, SizeIs(1));
}

TEST_F(VerifyLog, LooksAtDataAboveLevelChecksumOnly) {
  flip_data(1);

  EXPECT_THAT(verify(first_, VerifyLevel::checksum).logs.at(0).damages, IsEmpty());
  const VerifiedLog log = verify(first_).logs.at(0);
  EXPECT_THAT(log.damages, ElementsAre(AllOf(HasSubstr(log_.objects()[1].object),
                                             HasSubstr(fmt::format("sound up to offset {}",
                                                                   log_.segments()[1].begin)))));
  EXPECT_THAT(verify(second_).logs.at(0).damages, IsEmpty());
}

TEST_F(VerifyLog, NamesAllThatIsDamaged) {
  flip_data(0);
  flip_data(3);
  flip_data(4);

  EXPECT_THAT(verify(std::nullopt).logs.at(0).damages,
              ElementsAre(HasSubstr(log_.objects()[0].object), HasSubstr(log_.objects()[3].object),
                          HasSubstr(log_.objects()[4].object)));
}

TEST_F(VerifyLog, NamesTheOffsetsThatAMissingSegmentTakesAway) {
  ground_.remove(log_.objects()[3].object, {});
  for (const VerifyLevel level : kLevels) {
    for (const auto& backup : {std::optional(first_), std::optional<std::string>()}) {
      const LogVerification found = verify(backup, level);
      ASSERT_THAT(found.logs, SizeIs(1));
      EXPECT_EQ(found.logs.front().end, log_.segments()[3].begin);
      EXPECT_THAT(
          found.logs.front().damages,
          ElementsAre(HasSubstr(fmt::format("cannot be read from offset {} to {}",
                                            log_.segments()[3].begin, log_.segments()[3].end))));
      EXPECT_THAT(found.problems, SizeIs(backup ? 0 : 1));
    }
  }
}

TEST_F(VerifyLog, NamesASegmentOfWhichTheIndexIsDamaged) {
  change(1, [](Bytes& content) { content.resize(content.size() - 3); });
  for (const VerifyLevel level : kLevels) {
    EXPECT_THAT(verify(first_, level).logs.at(0).damages,
                ElementsAre(HasSubstr(log_.objects()[1].object)));
    // A later backup is none the worse.
    EXPECT_THAT(verify(second_, level).logs.at(0).damages, IsEmpty());
  }
  EXPECT_THAT(verify(std::nullopt).problems, ElementsAre(HasSubstr(log_.objects()[1].object)));
}

TEST_F(VerifyLog, FindsWhatIsNoStreamOfCommands) {
  log_.seal("what is this?", at(60));
  EXPECT_THAT(verify(second_).logs.at(0).damages,
              ElementsAre(HasSubstr(std::to_string(log_.segments()[5].begin))));
  EXPECT_THAT(verify(second_, VerifyLevel::checksum).logs.at(0).damages, IsEmpty());
}

TEST_F(VerifyLog, FindsALogThatEndsWithinACommand) {
  log_.seal("*1\r\n$4\r\nPIN", at(60));

  EXPECT_THAT(verify(second_).logs.at(0).damages, ElementsAre(HasSubstr("within a command")));
}

TEST_F(VerifyLog, ThrowsIfTheRepositoryFails) {
  FaultyStore faulty(ground_);
  static_cast<void>(verify_in(faulty, std::nullopt, VerifyLevel::parse));
  const std::uint64_t calls = faulty.calls();
  for (std::uint64_t call = 1; call <= calls; ++call) {
    faulty.set({.mode = keyrewind::test::Fault::Mode::fail_before, .call = call});
    EXPECT_EQ(keyrewind::test::failure_of([&] {
                static_cast<void>(verify_in(faulty, std::nullopt, VerifyLevel::parse));
              }).kind(),
              ErrorKind::unavailable)
        << call;
  }
}

class VerifyEncryptedLog : public VerifyLog {
 protected:
  VerifyEncryptedLog() : VerifyLog(true) {}
};

TEST_F(VerifyEncryptedLog, IsReadWithAnIdentity) {
  const VerifiedLog log = verify(first_).logs.at(0);

  EXPECT_EQ(log.raw_bytes, log_.raw().size());
  EXPECT_EQ(log.unreadable, 0U);
  EXPECT_THAT(log.damages, IsEmpty());
}

TEST_F(VerifyEncryptedLog, CountsWhatItCannotReadWithoutOne) {
  store::EncryptedStore stranger(std::make_unique<FaultyStore>(ground_), {}, {});

  const VerifiedLog checked = verify_in(stranger, std::nullopt, VerifyLevel::checksum).logs.at(0);
  EXPECT_EQ(checked.segments, 5U);
  EXPECT_EQ(checked.unreadable, 0U);
  EXPECT_THAT(checked.damages, IsEmpty());
  const VerifiedLog read = verify_in(stranger, std::nullopt, VerifyLevel::parse).logs.at(0);
  EXPECT_EQ(read.segments, 5U);
  EXPECT_EQ(read.unreadable, 5U);
  EXPECT_EQ(read.raw_bytes, 0U);
  EXPECT_THAT(read.damages, IsEmpty());
}

TEST_F(VerifyEncryptedLog, FindsDamageInIt) {
  change(2, [](Bytes& content) { content[content.size() - 20] ^= std::byte{1}; });

  EXPECT_THAT(verify(first_).logs.at(0).damages, ElementsAre(HasSubstr(log_.objects()[2].object)));
}

}  // namespace
}  // namespace keyrewind::restore
