#include "base/error.h"
#include "catalog/timeline.h"
#include "copies/backup_copy.h"
#include "copies/log_copy.h"
#include "copying_store.h"
#include "sample.h"
#include "store/encrypted_store.h"
#include "store/file_store.h"
#include "support/faulty_store.h"

#include <atomic>
#include <functional>
#include <thread>

namespace keyrewind::copies {
namespace {

using test::failure_of;
using test::Fault;
using test::FaultyStore;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::IsSubsetOf;
using testing::Not;
using testing::SizeIs;

class Copying : public testing::Test {
 protected:
  Copying() { log::configure(log::Level::error, log::Format::text); }

  void expect_complete() {
    EXPECT_EQ(data_in(to_), data_in(from_));
    for (const std::string& name : data_in(to_)) {
      EXPECT_EQ(test::text_of(to_, name), test::text_of(from_, name)) << name;
    }
    expect_sound(to_);
  }

  store::MemoryStore from_;
  store::MemoryStore to_;
  Primary primary_{from_};
};

TEST_F(Copying, BringsEverythingOverOnce) {
  fill(primary_);
  const CopyReport first = copy(from_, to_);
  expect_complete();
  EXPECT_EQ(first.objects, data_in(from_).size());
  EXPECT_THAT(problems_of(first), IsEmpty());
  EXPECT_EQ(first.lacks_since, std::nullopt);
  EXPECT_EQ(first.newer_in_target, std::nullopt);

  const CopyReport second = copy(from_, to_);
  EXPECT_EQ(second.objects, 0U);
  EXPECT_EQ(second.bytes, 0U);
}

TEST_F(Copying, MakesARepositoryOfItsOwn) {
  fill(primary_);
  copy(from_, to_);
  EXPECT_THAT(names_in(to_), Contains("keyrewind.json"));
  EXPECT_NE(test::text_of(to_, "keyrewind.json"), test::text_of(from_, "keyrewind.json"));
}

TEST_F(Copying, LeavesLeasesAlone) {
  fill(primary_);
  copy(from_, to_);
  EXPECT_THAT(names_in(from_), Contains(catalog::names::lease("orders", "0")));
  EXPECT_THAT(names_in(to_), Not(Contains(catalog::names::lease("orders", "0"))));
}

TEST_F(Copying, LeavesOutWhatNoBackupNames) {
  fill(primary_);
  const auto manifest = test::sample_manifest("orders", "20261121T000000Z-abcdef");
  from_.put_if_absent(manifest.snapshots.front().object.name, as_bytes("under way"), {});
  from_.put_if_absent(catalog::names::manifest("orders", manifest.id), as_bytes("{}"), {});
  from_.put_if_absent("sources/others/source.json", as_bytes("{}"), {});
  copy(from_, to_);
  EXPECT_EQ(data_in(to_).size(), data_in(from_).size() - 3);
  expect_sound(to_);
}

TEST_F(Copying, BringsWhatLaterVersionsPutBeside) {
  const catalog::Commit commit = primary_.add_backup();
  primary_.add_segment();
  copy(from_, to_);
  from_.put_if_absent("sources/orders/backups/" + commit.id + "/drill.json", as_bytes("{}"), {});
  from_.put_if_absent("sources/orders/notes.txt", as_bytes("more"), {});
  from_.put_if_absent(catalog::names::lineages("orders", "0") + backup::kLineage + "/log/more",
                      as_bytes("more"), {});
  EXPECT_EQ(copy(from_, to_).objects, 3U);
  expect_complete();
}

TEST_F(Copying, RestoresWhatTheCopyLost) {
  fill(primary_);
  copy(from_, to_);
  for (const std::string& name : data_in(from_)) {
    to_.remove(name, {});
    EXPECT_EQ(copy(from_, to_).objects, 1U) << name;
    expect_complete();
  }
}

TEST_F(Copying, NeverRemovesWhatTheSourceHasLost) {
  fill(primary_);
  copy(from_, to_);
  const auto before = names_in(to_);
  for (const std::string& name : names_in(from_)) {
    if (name.find("sources/") == 0) {
      from_.remove(name, {});
    }
  }
  EXPECT_EQ(failure_of([&] { copy(from_, to_); }).kind(), ErrorKind::no_backup);
  EXPECT_EQ(names_in(to_), before);
  // An agent that begins again in the emptied repository.
  Primary again(from_);
  again.add_backup("after the loss");
  const CopyReport report = copy(from_, to_);
  EXPECT_THAT(before, IsSubsetOf(names_in(to_)));
  ASSERT_TRUE(report.newer_in_target);
  expect_sound(to_);
}

TEST_F(Copying, BringsTheSourceBack) {
  fill(primary_);
  copy(from_, to_);
  store::MemoryStore fresh;
  copy(to_, fresh, false);
  EXPECT_EQ(data_in(fresh), data_in(from_));
  expect_sound(fresh);
}

TEST_F(Copying, MakesACatalogLikeThePrimarys) {
  fill(primary_);
  copy(from_, to_);
  const catalog::Catalog there(to_, "orders");
  EXPECT_EQ(there.list({}), primary_.catalog().list({}));
  EXPECT_EQ(there.find("latest", {}), primary_.catalog().find("latest", {}));
  EXPECT_TRUE(there.ever_backed_up({}));
  const auto from = catalog::read_timeline(primary_.catalog(), {});
  const auto to = catalog::read_timeline(there, {});
  EXPECT_EQ(to.windows.size(), from.windows.size());
  EXPECT_EQ(to.events.size(), from.events.size());
  EXPECT_EQ(to.problems, from.problems);
}

TEST_F(Copying, RefusesATargetWithForeignFiles) {
  fill(primary_);
  to_.put_if_absent("holiday.jpg", as_bytes("pixels"), {});
  const Error error = failure_of([&] { copy(from_, to_); });
  EXPECT_EQ(error.kind(), ErrorKind::unavailable);
  EXPECT_THAT(error.what(), HasSubstr("not a Keyrewind repository"));
  EXPECT_THAT(names_in(to_), ElementsAre("holiday.jpg"));
}

TEST_F(Copying, LeavesTheTargetAloneIfThereIsNothingToCopy) {
  EXPECT_EQ(failure_of([&] { copy(from_, to_); }).kind(), ErrorKind::no_backup);
  EXPECT_THAT(names_in(to_), IsEmpty());
}

TEST_F(Copying, EndsWhenItIsStopped) {
  fill(primary_);
  const test::ManualClock clock(test::sample_time());
  Progress progress;
  std::stop_source stop;
  stop.request_stop();
  const Error error = failure_of([&] {
    copy_missing({from_, to_}, {.source = "orders"}, clock, progress, stop.get_token());
  });
  EXPECT_EQ(error.kind(), ErrorKind::cancelled);
  EXPECT_THAT(names_in(to_), IsEmpty());
}

TEST_F(Copying, MakesNoTargetAnewThatIsNotToBeMade) {
  fill(primary_);
  const test::ManualClock clock(test::sample_time());
  const Error error = failure_of([&] { make_ready({from_, to_}, Make::never, clock, {}); });
  EXPECT_EQ(error.kind(), ErrorKind::unavailable);
  EXPECT_THAT(error.what(), HasSubstr("mounted"));
  EXPECT_THAT(names_in(to_), IsEmpty());
}

TEST_F(Copying, ClearsAwayWhatABrokenCopyLeft) {
  fill(primary_);
  const auto of_log = to_.upload(name_with(from_, "/events/"), {});
  const auto of_backup = to_.upload("sources/orders/backups/x/manifest.json", {});
  const auto of_another = to_.upload("sources/others/backups/x/manifest.json", {});
  copy(from_, to_, false);
  EXPECT_EQ(to_.remove_abandoned_uploads("", [](const std::string&) { return false; }, {}), 0U);
  copy(from_, to_);
  EXPECT_EQ(to_.remove_abandoned_uploads("", [](const std::string&) { return true; }, {}), 1U);
}

TEST_F(Copying, LeavesClearingToWhoeverHasTheLock) {
  fill(primary_);
  const auto upload = to_.upload(name_with(from_, "/events/"), {});
  {
    const auto lock = to_.try_lock("sources/orders/copier-log", {});
    copy(from_, to_);
  }
  expect_complete();
  EXPECT_EQ(to_.remove_abandoned_uploads("", [](const std::string&) { return true; }, {}), 1U);
}

// The log.

TEST_F(Copying, LeavesOutSegmentsThatAMergedOneReplaces) {
  fill(primary_);
  ASSERT_EQ(primary_.merge(), 1U);
  copy(from_, to_);
  EXPECT_EQ(data_in(to_).size(), data_in(from_).size() - 4);
  expect_sound(to_);
  EXPECT_EQ(backup::read_log(to_).stream, backup::read_log(from_).stream);
}

TEST_F(Copying, TidiesTheCopyAsThePrimaryIsTidied) {
  fill(primary_);
  copy(from_, to_);
  ASSERT_EQ(primary_.merge(), 1U);
  copy(from_, to_);
  EXPECT_EQ(data_in(to_), data_in(from_));  // Who reads goes on for a pass.
  EXPECT_EQ(copy(from_, to_).objects, 0U);
  EXPECT_EQ(data_in(to_).size(), data_in(from_).size() - 4);
  EXPECT_EQ(copy(from_, to_).objects, 0U);
  EXPECT_EQ(backup::read_log(to_).stream, backup::read_log(from_).stream);
  primary_.merge();
  EXPECT_EQ(data_in(to_), data_in(from_));
}

TEST_F(Copying, DoesNotTidyATargetThatIsNoCopy) {
  fill(primary_);
  copy(from_, to_, false);
  primary_.merge();
  copy(from_, to_, false);
  EXPECT_EQ(copy(from_, to_, false).objects, 0U);
  EXPECT_EQ(data_in(to_), data_in(from_));
}

TEST_F(Copying, TakesThePartsIfTheMergedSegmentIsDamaged) {
  fill(primary_);
  primary_.merge();
  flip_bit(from_, name_with(from_, "-1.aof.zst"));
  const CopyReport report = copy(from_, to_);
  EXPECT_THAT(problems_of(report), SizeIs(1));
  EXPECT_EQ(data_in(to_).size(), data_in(from_).size() - 1);
  expect_sound(to_);
}

TEST_F(Copying, KeepsThePartsIfTheMergedSegmentIsDamagedInTheCopy) {
  fill(primary_);
  copy(from_, to_);
  primary_.merge();
  copy(from_, to_);
  const std::string merged = name_with(to_, "-1.aof.zst");
  Bytes content = *to_.get(merged, ~0ULL, {});
  content.back() ^= std::byte{1};
  to_.remove(merged, {});
  to_.put_if_absent(merged, content, {});
  copy(from_, to_);
  EXPECT_EQ(data_in(to_), data_in(from_));
}

TEST_F(Copying, FollowsATakeoverOfTheLog) {
  fill(primary_);
  copy(from_, to_);
  primary_.take_over(2, 3);  // Whoever wrote the last three did not know that it was over.
  primary_.add_segment(20);
  EXPECT_THAT(problems_of(copy(from_, to_)), IsEmpty());
  EXPECT_THAT(problems_of(copy(from_, to_)), IsEmpty());
  for (const std::string& stale : catalog::list_log_waste(from_, "orders", "0", {})) {
    from_.remove(stale, {});
  }
  EXPECT_EQ(data_in(to_), data_in(from_));
  EXPECT_EQ(backup::read_log(to_).stream, backup::read_log(from_).stream);
}

TEST_F(Copying, MixesNoLogWithOneThatWasBegunAnew) {
  primary_.take_over(3);
  fill(primary_);
  copy(from_, to_);
  const auto log_of = [](const store::ObjectStore& store) {
    return backup::read_log(store).stream;
  };
  const std::string stream = log_of(to_);
  // The repository is lost, its lease too, and an agent begins in the new one.
  store::MemoryStore fresh;
  Primary again(fresh);
  again.take_over(1);
  again.add_backup("after the loss");
  again.add_segment(500);
  const std::string new_stream = log_of(fresh);
  for (int pass = 0; pass < 2; ++pass) {
    const CopyReport report = copy(fresh, to_);
    EXPECT_THAT(problems_of(report), ElementsAre(HasSubstr("do not go together")));
    EXPECT_TRUE(report.lacks_since);
    EXPECT_EQ(log_of(to_), stream);
  }
  EXPECT_EQ(catalog::list_commits(to_, "orders", {}).size(), 3U);

  EXPECT_THAT(problems_of(copy(to_, fresh, false)), ElementsAre(HasSubstr("do not go together")));
  EXPECT_EQ(log_of(fresh), new_stream);
  EXPECT_EQ(catalog::list_commits(fresh, "orders", {}).size(), 3U);
}

TEST_F(Copying, TakesWhatItIsToldOfAndNothingElse) {
  fill(primary_);
  copy(from_, to_);
  const std::string first = primary_.add_segment();
  const std::string second = primary_.add_segment();
  Progress progress;
  const std::vector<std::string> wanted{second, first + "x", name_with(from_, "/events/")};
  const CopyReport report =
      copy_log_objects({from_, to_}, {.source = "orders"}, wanted, {}, progress, {});
  EXPECT_EQ(report.objects, 1U);
  EXPECT_THAT(names_in(to_), Contains(second));
  EXPECT_THAT(names_in(to_), Not(Contains(first)));
}

TEST_F(Copying, SaysSinceWhenTheTargetIsNotComplete) {
  fill(primary_);
  copy(from_, to_);
  std::vector<std::optional<Timestamp>> lags;
  const CopyObserver observer{.lacks_since = [&](auto since) { lags.push_back(since); }};
  const auto pass = [&] {
    lags.clear();
    Progress progress;
    copy_log({from_, to_}, {.source = "orders", .connections = 1}, observer, progress, {});
  };
  pass();
  EXPECT_THAT(lags, IsEmpty());
  primary_.add_segment();
  const Timestamp one = std::chrono::floor<std::chrono::seconds>(primary_.now());
  primary_.add_segment();
  const Timestamp two = std::chrono::floor<std::chrono::seconds>(primary_.now());
  pass();
  EXPECT_THAT(lags, ElementsAre(one, one, two, std::nullopt));

  primary_.merge();
  pass();
  EXPECT_THAT(lags, IsEmpty()) << "the copy has the bytes of the merged segment";
}

TEST_F(Copying, KnowsThatMergedSegmentsHoldOlderBytesThanTheirNamesSay) {
  primary_.add_backup();
  const auto add_four = [&] {
    for (int i = 0; i < 4; ++i) {
      primary_.add_segment();
    }
  };
  add_four();
  copy(from_, to_);
  const Timestamp covered = std::chrono::floor<std::chrono::seconds>(primary_.now());
  add_four();
  primary_.merge();
  primary_.merge();
  std::optional<Timestamp> oldest;
  const CopyObserver observer{.lacks_since = [&](auto since) { oldest = oldest ? oldest : since; }};
  Progress progress;
  copy_log({from_, to_}, {.source = "orders"}, observer, progress, {});
  EXPECT_EQ(oldest, covered);
}

TEST_F(Copying, SaysThatABackupIsLackingSinceItWasFinished) {
  const catalog::Commit commit = primary_.add_backup();
  from_.remove(name_with(from_, "/snapshots/"), {});
  const CopyReport report = copy(from_, to_);
  ASSERT_THAT(problems_of(report), SizeIs(1));
  EXPECT_THAT(report.problems.front().what(), HasSubstr("is missing"));
  EXPECT_EQ(report.lacks_since, commit.finished);
}

// Large objects.

TEST_F(Copying, BringsLargeObjectsInPieces) {
  primary_.add_backup(incompressible(3 * kAtOnce + 17));
  primary_.add_segment(2 * kAtOnce + 3);
  primary_.add_segment(kAtOnce);
  copy(from_, to_);
  EXPECT_EQ(data_in(to_), data_in(from_));
  expect_sound(to_);
}

TEST_F(Copying, TakesNoLargeObjectThatIsDamaged) {
  primary_.add_backup(incompressible(3 * kAtOnce + 17));
  primary_.add_segment(2 * kAtOnce + 3);
  flip_bit(from_, name_with(from_, "/snapshots/"));
  flip_bit(from_, name_with(from_, "/log/"));
  const CopyReport report = copy(from_, to_);
  EXPECT_THAT(problems_of(report), SizeIs(2));
  EXPECT_THAT(names_in(to_), ElementsAre("keyrewind.json", "sources/orders/source.json"));
  EXPECT_EQ(to_.remove_abandoned_uploads("", [](const std::string&) { return true; }, {}), 0U);
}

// Damage.

TEST_F(Copying, TakesNothingThatIsDamagedAtTheSource) {
  fill(primary_);
  const auto data = data_in(from_);
  for (const std::string& name : data) {
    if (name == catalog::names::source_record("orders")) {
      continue;  // Only its being there counts.
    }
    const Bytes before = *from_.get(name, ~0ULL, {});
    flip_bit(from_, name);
    store::MemoryStore to;
    const CopyReport report = copy(from_, to);
    EXPECT_THAT(problems_of(report), SizeIs(1)) << name;
    EXPECT_THAT(names_in(to), Not(Contains(name)));
    EXPECT_TRUE(report.lacks_since) << name;
    expect_sound(to);

    from_.remove(name, {});
    from_.put_if_absent(name, before, {});
    EXPECT_THAT(problems_of(copy(from_, to)), IsEmpty());
    EXPECT_EQ(data_in(to), data);
  }
}

TEST_F(Copying, WritesNothingInThePlaceOfAnotherObject) {
  fill(primary_);
  for (const std::string& name : data_in(from_)) {
    if (name == catalog::names::source_record("orders")) {
      continue;
    }
    store::MemoryStore to;
    copy(from_, to);
    test::overwrite(to, name, "another one of the same name");
    const CopyReport report = copy(from_, to);
    ASSERT_THAT(problems_of(report), SizeIs(1)) << name;
    EXPECT_THAT(report.problems.front().what(), HasSubstr("remove it there"));
    EXPECT_EQ(test::text_of(to, name), "another one of the same name");
  }
}

TEST_F(Copying, LetsNothingInThatIsDamagedOnTheWay) {
  fill(primary_);
  primary_.add_segment(kAtOnce + 100);
  for (const Fault::Mode mode : {Fault::Mode::flip_bit, Fault::Mode::truncate}) {
    FaultyStore from(from_);
    store::MemoryStore whole;
    copy(from, whole);
    const std::uint64_t calls = from.calls();
    for (std::uint64_t call = 1; call <= calls; ++call) {
      store::MemoryStore to;
      from.set({.mode = mode, .call = call});
      std::size_t problems = 0;
      try {
        problems = copy(from, to).problems.size();
      } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::corrupt) << "call " << call << ": " << error.what();
        problems = 1;
      }
      expect_sound(to);
      from.set({});
      if (data_in(to) != data_in(from_)) {
        EXPECT_EQ(problems, 1U) << "call " << call;
      }
      copy(from, to);
      EXPECT_EQ(data_in(to), data_in(from_)) << "call " << call;
    }
  }
}

// Failures.

struct Killing {
  bool source_fails = false;
  Fault::Mode mode = Fault::Mode::none;
};

class CopyingFails : public testing::TestWithParam<Killing> {};

INSTANTIATE_TEST_SUITE_P(AtEveryCall, CopyingFails,
                         testing::Values(Killing{true, Fault::Mode::fail_before},
                                         Killing{false, Fault::Mode::fail_before},
                                         Killing{false, Fault::Mode::fail_after}),
                         [](const auto& killing) {
                           return std::string(killing.param.source_fails ? "Source" : "Target") +
                                  (killing.param.mode == Fault::Mode::fail_before ? "Before"
                                                                                  : "After");
                         });

TEST_P(CopyingFails, AndNothingThatIsListedIsNotWhole) {
  log::configure(log::Level::error, log::Format::text);
  store::MemoryStore from_inner;
  Primary primary(from_inner);
  fill(primary);
  primary.merge();
  primary.add_segment(kAtOnce + 100);
  primary.add_backup(incompressible(kAtOnce + 100));
  store::MemoryStore whole;
  copy(from_inner, whole);

  bool ended = false;
  for (std::uint64_t call = 1; !ended; ++call) {
    store::MemoryStore to_inner;
    FaultyStore from(from_inner);
    FaultyStore to(to_inner);
    (GetParam().source_fails ? from : to).set({.mode = GetParam().mode, .call = call});
    try {
      copy(from, to);
      const auto calls = (GetParam().source_fails ? from : to).calls();
      ended = calls < call;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::unavailable) << error.what();
    }
    expect_sound(to_inner);
    EXPECT_THAT(data_in(to_inner), IsSubsetOf(data_in(from_inner)));
    from.set({});
    to.set({});
    EXPECT_THAT(problems_of(copy(from, to)), IsEmpty()) << "after call " << call;
    EXPECT_EQ(data_in(to_inner), data_in(whole)) << "after call " << call;
    expect_sound(to_inner);
    EXPECT_EQ(to_inner.remove_abandoned_uploads("", [](const std::string&) { return true; }, {}),
              0U)
        << "after call " << call;
  }
}

TEST_F(Copying, BringsABackupOnlyBehindAllThatItNames) {
  fill(primary_);
  FaultyStore to(to_);
  std::uint64_t call = 0;
  // Looks at the target before each call of a pass that succeeds.
  do {
    store::MemoryStore inner;
    FaultyStore looked_at(inner);
    looked_at.meanwhile(++call, [&] { expect_sound(inner); });
    copy(from_, looked_at);
    if (looked_at.calls() < call) {
      break;
    }
  } while (true);
  EXPECT_GT(call, 20U);
}

// Others at work.

TEST_F(Copying, IsNotHadByMergingMeanwhile) {
  fill(primary_);
  for (int i = 0; i < 8; ++i) {
    primary_.add_segment();
  }
  const std::string stream = backup::read_log(from_).stream;
  for (std::uint64_t call = 1;; ++call) {
    store::MemoryStore source;
    for (const std::string& name : names_in(from_)) {
      source.put_if_absent(name, *from_.get(name, ~0ULL, {}), {});
    }
    FaultyStore from(source);
    from.meanwhile(call, [&] {
      for (int pass = 0; pass < 3; ++pass) {
        backup::merge_log(source, {.source = "orders", .shard = "0", .count = 4}, {});
      }
    });
    store::MemoryStore to;
    EXPECT_THAT(problems_of(copy(from, to)), IsEmpty()) << "call " << call;
    expect_sound(to);
    const bool ended = from.calls() < call;
    EXPECT_THAT(problems_of(copy(from, to)), IsEmpty()) << "call " << call;
    EXPECT_EQ(backup::read_log(to).stream, stream) << "call " << call;
    if (ended) {
      break;
    }
  }
}

TEST_F(Copying, IsNotHadByABackupThatIsRemovedMeanwhile) {
  fill(primary_);
  const auto first = primary_.catalog().list({}).front();
  for (std::uint64_t call = 1;; ++call) {
    store::MemoryStore source;
    for (const std::string& name : names_in(from_)) {
      source.put_if_absent(name, *from_.get(name, ~0ULL, {}), {});
    }
    FaultyStore from(source);
    from.meanwhile(call, [&] {
      const catalog::Catalog catalog(source, "orders");
      const catalog::Manifest manifest = catalog.manifest(first, {});
      source.remove(catalog::names::commit("orders", first.sequence, first.id), {});
      source.remove(first.manifest.name, {});
      source.remove(manifest.snapshots.front().object.name, {});
    });
    store::MemoryStore to;
    EXPECT_THAT(problems_of(copy(from, to)), IsEmpty()) << "call " << call;
    expect_sound(to);
    EXPECT_GE(catalog::list_commits(to, "orders", {}).size(), 1U);
    if (from.calls() < call) {
      break;
    }
  }
}

TEST_F(Copying, KeepsUpWithWhoWritesAndMerges) {
  fill(primary_);
  std::atomic<bool> ended{false};
  std::jthread writer([&] {
    for (int i = 0; i < 40; ++i) {
      primary_.add_segment();
      if (i % 5 == 0) {
        primary_.merge();
      }
      if (i % 10 == 0) {
        primary_.add_backup("snapshot number " + std::to_string(i));
      }
    }
    ended = true;
  });
  while (!ended) {
    EXPECT_THAT(problems_of(copy(from_, to_)), IsEmpty());
    expect_sound(to_);
  }
  copy(from_, to_);
  EXPECT_EQ(backup::read_log(to_).stream, backup::read_log(from_).stream);
  EXPECT_EQ(catalog::Catalog(to_, "orders").list({}), primary_.catalog().list({}));
}

TEST_F(Copying, IsDoneByTwoAtOnce) {
  fill(primary_);
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] { EXPECT_THAT(problems_of(copy(from_, to_, false)), IsEmpty()); });
  }
  threads.clear();
  expect_complete();
}

// Stores that copy among themselves.

TEST_F(Copying, LeavesTheWorkToTheStoresWhereItCan) {
  fill(primary_);
  primary_.add_segment(kAtOnce + 100);
  CopyingStore to(to_, from_);
  const CopyReport report = copy(from_, to);
  expect_complete();
  EXPECT_GE(to.copies(), report.objects - 4);  // But for manifests and commits.
  EXPECT_EQ(report.objects, data_in(from_).size());
}

TEST_F(Copying, TakesBackWhatAStoreCopiedInPart) {
  fill(primary_);
  CopyingStore to(to_, from_);
  to.cut_short(true);
  const CopyReport report = copy(from_, to);
  EXPECT_THAT(problems_of(report), Not(IsEmpty()));
  EXPECT_THAT(names_in(to_), ElementsAre("keyrewind.json"));
  to.cut_short(false);
  copy(from_, to);
  expect_complete();
}

// Encrypted repositories.

class CopyingEncrypted : public testing::Test {
 protected:
  CopyingEncrypted() {
    log::configure(log::Level::error, log::Format::text);
    primary_.add_backup();
    for (int i = 0; i < 5; ++i) {
      primary_.add_segment();
    }
  }

  static std::unique_ptr<store::ObjectStore> encrypted(
      std::vector<codec::AgeIdentity> identities = {}) {
    return std::make_unique<store::EncryptedStore>(
        std::make_unique<store::MemoryStore>(),
        std::vector{codec::AgeIdentity(kIdentity).recipient()}, std::move(identities));
  }

  static constexpr std::string_view kIdentity =
      "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";

  const std::unique_ptr<store::ObjectStore> from_ = encrypted();
  Primary primary_{*from_};
  store::MemoryStore to_;
};

TEST_F(CopyingEncrypted, NeedsNoKey) {
  copy(*from_, to_);
  ASSERT_EQ(data_in(to_), data_in(*from_));
  for (const std::string& name : data_in(to_)) {
    EXPECT_EQ(test::text_of(to_, name), test::text_of(from_->stored(), name)) << name;
  }
}

TEST_F(CopyingEncrypted, NeverShowsASegmentWithoutItsIndex) {
  for (std::uint64_t call = 1;; ++call) {
    store::MemoryStore inner;
    FaultyStore to(inner, {.mode = Fault::Mode::fail_before, .call = call});
    bool ended = false;
    try {
      copy(*from_, to);
      ended = to.calls() < call;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::unavailable);
    }
    expect_sound(inner);
    to.set({});
    copy(*from_, to);
    EXPECT_EQ(data_in(inner), data_in(*from_));
    if (ended) {
      break;
    }
  }
}

TEST_F(CopyingEncrypted, BringsNoBackupWithoutItsDetails) {
  const std::string details = name_with(*from_, "/details.json.age");
  flip_bit(from_->stored(), details);
  const CopyReport report = copy(*from_, to_);
  EXPECT_THAT(problems_of(report), ElementsAre(HasSubstr(details)));
  EXPECT_THAT(catalog::list_commits(to_, "orders", {}), IsEmpty());
}

TEST_F(CopyingEncrypted, TellsSegmentsByTheirIndexes) {
  const std::string segment = primary_.add_segment();
  Progress progress;
  const std::vector<std::string> wanted{segment};
  copy_log_objects({from_->stored(), to_}, {.source = "orders"}, wanted, {}, progress, {});
  EXPECT_THAT(names_in(to_), ElementsAre(segment, catalog::names::segment_index(segment)));
}

TEST_F(CopyingEncrypted, BringsBackAnIndexThatWasLost) {
  copy(*from_, to_);
  for (const std::string& name : names_in(to_)) {
    if (name.ends_with(".index")) {
      to_.remove(name, {});
    }
  }
  EXPECT_EQ(copy(*from_, to_).objects, 5U);
  expect_sound(to_);
}

TEST_F(CopyingEncrypted, TidiesIndexesWithTheirSegments) {
  copy(*from_, to_);
  primary_.merge();
  copy(*from_, to_);
  copy(*from_, to_);
  primary_.merge();
  EXPECT_EQ(data_in(to_), data_in(*from_));
}

TEST_F(CopyingEncrypted, RemovesAnIndexWhoseSegmentWillNeverCome) {
  copy(*from_, to_);
  const std::string segment = primary_.add_segment();
  const std::string index = catalog::names::segment_index(segment);
  to_.put_if_absent(index, *from_->get(index, ~0ULL, {}), {});
  catalog::remove_segment(*from_, segment, {});
  copy(*from_, to_);
  EXPECT_THAT(names_in(to_), Not(Contains(index)));
}

}  // namespace
}  // namespace keyrewind::copies
