#include "daemon/copier.h"

#include "copies/log_copy.h"
#include "metrics/copy_metrics.h"
#include "store/file_store.h"
#include "support/faulty_store.h"
#include "unit/copies/copying_store.h"
#include "unit/copies/sample.h"

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <thread>

namespace keyrewind::daemon {
namespace {

using copies::data_in;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;
using test::Fault;
using test::FaultyStore;
using testing::HasSubstr;
using testing::Not;

/// A clock that threads may read while it is set.
class SharedClock final : public Clock {
 public:
  explicit SharedClock(Timestamp now) : now_(now) {}
  Timestamp now() const override { return now_; }
  void set(Timestamp now) { now_ = now; }

 private:
  std::atomic<Timestamp> now_;
};

class CopierTest : public testing::Test {
 protected:
  CopierTest() {
    log::configure(log::Level::info, log::Format::text);
    copies::fill(primary_);
    wait(seconds(0));
  }

  /// Lets time pass since the primary last got anything.
  void wait(milliseconds time) { clock_.set(primary_.now() + time); }

  CopierOptions options(milliseconds look_interval = hours(1)) {
    return {.name = "dr",
            .look_interval = look_interval,
            .first_pause = milliseconds(1),
            .longest_pause = milliseconds(5),
            .lacks = [this](std::optional<Timestamp> since) {
              const std::lock_guard lock(mutex_);
              lacks_since_ = since;
            }};
  }

  std::optional<Timestamp> lacks_since() {
    const std::lock_guard lock(mutex_);
    return lacks_since_;
  }

  std::string metrics() const { return metrics_.to_prometheus_text(); }

  std::optional<double> metric(const std::string& name) const {
    const std::string text = "\n" + metrics();
    const std::string line = "\n" + name + "{repository=\"dr\",source=\"orders\"} ";
    const auto found = text.find(line);
    return found == std::string::npos ? std::nullopt
                                      : std::optional(std::stod(text.substr(found + line.size())));
  }

  bool is_complete() const { return metric("keyrewind_copy_lag_seconds") == 0.0; }

  store::MemoryStore from_;
  store::MemoryStore to_;
  copies::Primary primary_{from_};
  SharedClock clock_{test::sample_time()};
  metrics::CopyMetrics metrics_{"orders", clock_};

 private:
  std::mutex mutex_;
  std::optional<Timestamp> lacks_since_;
};

TEST_F(CopierTest, BringsTheCopyUpToDate) {
  Copier copier(primary_.catalog(), to_, options(), metrics_, clock_);
  EXPECT_EQ(metric("keyrewind_copy_objects_total"), 0);
  EXPECT_EQ(metric("keyrewind_copy_lag_seconds"), std::nullopt);
  EXPECT_TRUE(copier.run_once({}));
  EXPECT_EQ(data_in(to_), data_in(from_));
  EXPECT_EQ(metric("keyrewind_copy_objects_total"), static_cast<double>(data_in(from_).size()));
  EXPECT_GT(metric("keyrewind_copy_bytes_total"), 100);
  EXPECT_EQ(metric("keyrewind_copy_failures_total"), 0);
  EXPECT_EQ(metric("keyrewind_copy_lag_seconds"), 0);
  EXPECT_TRUE(metric("keyrewind_copy_last_success_timestamp_seconds"));
}

TEST_F(CopierTest, HasNothingToDoWithoutNews) {
  FaultyStore from(from_);
  FaultyStore to(to_);
  const catalog::Catalog catalog(from, "orders");
  Copier copier(catalog, to, options(), metrics_, clock_);
  copier.run_once({});
  from.set({});
  to.set({});
  EXPECT_TRUE(copier.run_once({}));
  EXPECT_EQ(from.calls() + to.calls(), 0U);
}

TEST_F(CopierTest, CopiesWhatItIsToldOfWithFewCalls) {
  FaultyStore from(from_);
  FaultyStore to(to_);
  const catalog::Catalog catalog(from, "orders");
  Copier copier(catalog, to, options(), metrics_, clock_);
  copier.run_once({});
  copier.notify_log(primary_.add_segment());
  from.set({});
  to.set({});
  EXPECT_TRUE(copier.run_once({}));
  EXPECT_EQ(data_in(to_), data_in(from_));
  EXPECT_EQ(from.calls() + to.calls(), 3U);
}

TEST_F(CopierTest, LooksForWhatWasMergedBeforeItCouldBeCopied) {
  Copier copier(primary_.catalog(), to_, options(), metrics_, clock_);
  copier.run_once({});
  for (int i = 0; i < 7; ++i) {
    copier.notify_log(primary_.add_segment());
  }
  primary_.merge();
  primary_.merge();
  wait(seconds(10));
  EXPECT_TRUE(copier.run_once({}));
  EXPECT_GT(metric("keyrewind_copy_lag_seconds"), 0);
  EXPECT_TRUE(lacks_since());
  EXPECT_TRUE(copier.run_once({}));
  EXPECT_FALSE(lacks_since());
  EXPECT_EQ(backup::read_log(to_).stream, backup::read_log(from_).stream);
  EXPECT_TRUE(is_complete());
}

TEST_F(CopierTest, KeepsUpInItsOwnThreads) {
  Copier copier(primary_.catalog(), to_, options(), metrics_, clock_);
  copier.start();
  copier.start();
  for (int i = 0; i < 20; ++i) {
    copier.notify_log(primary_.add_segment());
    if (i % 5 == 0) {
      primary_.add_backup("snapshot number " + std::to_string(i));
      copier.notify_backup();
    }
  }
  backup::wait_until([&] { return data_in(to_) == data_in(from_) && is_complete(); });
  copies::expect_sound(to_);
  copier.stop();
  EXPECT_EQ(metric("keyrewind_copy_lag_seconds"), std::nullopt) << "who does not copy knows none";
  EXPECT_TRUE(metric("keyrewind_copy_objects_total"));

  const std::string segment = primary_.add_segment();
  copier.notify_log(segment);
  EXPECT_THAT(copies::names_in(to_), Not(testing::Contains(segment)));
  copier.start();
  backup::wait_until([&] { return data_in(to_) == data_in(from_); });
}

TEST_F(CopierTest, ComparesEverythingFromTimeToTime) {
  Copier copier(primary_.catalog(), to_, options(milliseconds(5)), metrics_, clock_);
  copier.start();
  backup::wait_until([&] { return data_in(to_) == data_in(from_); });
  primary_.merge();
  primary_.merge();
  backup::wait_until([&] { return data_in(to_) == data_in(from_); });
}

TEST_F(CopierTest, SaysHowFarItIsBehindWhileTheCopyCannotBeReached) {
  FaultyStore to(to_);
  Copier copier(primary_.catalog(), to, options(), metrics_, clock_);
  copier.start();
  backup::wait_until([&] {
    return metric("keyrewind_copy_last_success_timestamp_seconds").has_value() && is_complete();
  });
  testing::internal::CaptureStderr();
  to.set({.mode = Fault::Mode::fail_before});
  const std::string segment = primary_.add_segment();
  copier.notify_log(segment);
  const Timestamp first = copies::time_of_log_object("orders", segment).value();
  for (int i = 0; i < 6; ++i) {
    copier.notify_log(primary_.add_segment());
  }
  // What is merged meanwhile makes nothing younger.
  primary_.merge();
  primary_.merge();
  backup::wait_until([&] { return metric("keyrewind_copy_failures_total") >= 5; });
  wait(seconds(100));
  const auto lag = std::chrono::duration<double>(clock_.now() - first).count();
  EXPECT_EQ(metric("keyrewind_copy_lag_seconds"), lag);
  wait(seconds(1000));
  EXPECT_EQ(metric("keyrewind_copy_lag_seconds"), lag + 900);

  to.set({});
  backup::wait_until([&] { return is_complete(); });
  copier.stop();
  copies::expect_sound(to_);
  EXPECT_EQ(backup::read_log(to_).stream, backup::read_log(from_).stream);
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_EQ(said.find("copy falls behind"), said.rfind("copy falls behind")) << said;
  EXPECT_THAT(said, HasSubstr("copy falls behind"));
  EXPECT_EQ(said.find("copy has caught up"), said.rfind("copy has caught up")) << said;
  EXPECT_THAT(said, HasSubstr("copy has caught up"));
}

TEST_F(CopierTest, SaysHowLongABackupHasBeenLacking) {
  FaultyStore to(to_);
  Copier copier(primary_.catalog(), to, options(), metrics_, clock_);
  ASSERT_TRUE(copier.run_once({}));
  to.set({.mode = Fault::Mode::fail_before});
  primary_.add_backup();
  wait(seconds(0));
  copier.notify_backup();
  EXPECT_FALSE(copier.run_once({}));
  wait(seconds(70));
  EXPECT_EQ(metric("keyrewind_copy_lag_seconds"), 70);
  to.set({});
  EXPECT_TRUE(copier.run_once({}));
  EXPECT_EQ(metric("keyrewind_copy_lag_seconds"), 0);
  EXPECT_EQ(data_in(to_), data_in(from_));
}

TEST_F(CopierTest, CountsFromItsStartIfItNeverSawTheCopy) {
  FaultyStore to(to_, {.mode = Fault::Mode::fail_before});
  Copier copier(primary_.catalog(), to, options(), metrics_, clock_);
  copier.start();
  backup::wait_until([&] { return metric("keyrewind_copy_failures_total") >= 3; });
  wait(seconds(60));
  EXPECT_GE(metric("keyrewind_copy_lag_seconds"), 60);
  EXPECT_EQ(metric("keyrewind_copy_last_success_timestamp_seconds"), std::nullopt);
}

TEST_F(CopierTest, WaitsForAPrimaryThatIsNoRepositoryYet) {
  store::MemoryStore empty;
  const catalog::Catalog catalog(empty, "orders");
  Copier copier(catalog, to_, options(), metrics_, clock_);
  EXPECT_TRUE(copier.run_once({}));
  EXPECT_EQ(metric("keyrewind_copy_failures_total"), 0);
  EXPECT_THAT(copies::names_in(to_), testing::IsEmpty());
}

TEST_F(CopierTest, SaysOnceThatAnObjectIsDamagedAndCopiesTheOthers) {
  copies::flip_bit(from_, copies::name_with(from_, "T130412Z"));
  testing::internal::CaptureStderr();
  Copier copier(primary_.catalog(), to_, options(milliseconds(1)), metrics_, clock_);
  copier.start();
  backup::wait_until([&] { return data_in(to_).size() == data_in(from_).size() - 1; });
  const double objects = metric("keyrewind_copy_objects_total").value();
  copier.notify_log(primary_.add_segment());
  backup::wait_until([&] { return metric("keyrewind_copy_objects_total") > objects; });
  wait(seconds(1000));
  EXPECT_GT(metric("keyrewind_copy_lag_seconds"), 1000) << "it is still lacking";
  copier.stop();
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_EQ(said.find("not as it should be"), said.rfind("not as it should be")) << said;
  EXPECT_THAT(said, HasSubstr("events/"));
}

TEST_F(CopierTest, TellsWhenThePrimaryHasLostWhatTheCopyHas) {
  Copier copier(primary_.catalog(), to_, options(), metrics_, clock_);
  copier.run_once({});
  for (const auto& commit : catalog::list_commits(from_, "orders", {})) {
    from_.remove(commit.object, {});
  }
  const auto before = copies::names_in(to_);
  testing::internal::CaptureStderr();
  copier.notify_backup();
  EXPECT_TRUE(copier.run_once({}));
  EXPECT_EQ(copies::names_in(to_), before);
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              HasSubstr("keyrewind copy --from dr --to primary"));
}

TEST_F(CopierTest, NeverMakesACopyAnewThatWasThere) {
  const test::TempDir folder;
  const auto path = folder / "copy";
  store::FileStore to(path);
  Copier copier(primary_.catalog(), to, options(), metrics_, clock_);
  ASSERT_TRUE(copier.run_once({}));
  std::filesystem::rename(path, folder / "elsewhere");
  copier.notify_log(primary_.add_segment());
  EXPECT_FALSE(copier.run_once({}));
  EXPECT_FALSE(copier.run_once({}));
  EXPECT_FALSE(std::filesystem::exists(path));
  // The folder of a volume that is not mounted.
  std::filesystem::create_directory(path);
  EXPECT_FALSE(copier.run_once({}));
  EXPECT_TRUE(std::filesystem::is_empty(path));
  std::filesystem::remove(path);

  std::filesystem::rename(folder / "elsewhere", path);
  EXPECT_TRUE(copier.run_once({}));
  EXPECT_EQ(data_in(to), data_in(from_));
}

TEST_F(CopierTest, LetsTheLogPassByALargeSnapshot) {
  std::mutex mutex;
  std::condition_variable changed;
  bool free = false;
  copies::CopyingStore to(to_, from_);
  to.before_copy([&](const std::string& name) {
    if (name.find("/snapshots/") != std::string::npos) {
      std::unique_lock lock(mutex);
      changed.wait(lock, [&] { return free; });
    }
  });
  Copier copier(primary_.catalog(), to, options(), metrics_, clock_);
  copier.start();
  const std::string segment = primary_.add_segment();
  copier.notify_log(segment);
  backup::wait_until([&] { return to_.head(segment, {}).has_value(); });
  EXPECT_TRUE(catalog::list_commits(to_, "orders", {}).empty());
  {
    const std::lock_guard lock(mutex);
    free = true;
  }
  changed.notify_all();
  backup::wait_until([&] { return data_in(to_) == data_in(from_); });
}

TEST_F(CopierTest, ForgetsNothingThatItIsToldOfInCrowds) {
  Copier copier(primary_.catalog(), to_, options(), metrics_, clock_);
  copier.run_once({});
  for (int i = 0; i < 1005; ++i) {
    const std::string segment = i % 100 == 0 ? primary_.add_segment() : "sources/orders/x";
    copier.notify_log(segment);
  }
  EXPECT_TRUE(copier.run_once({}));
  EXPECT_EQ(data_in(to_), data_in(from_));
}

}  // namespace
}  // namespace keyrewind::daemon
