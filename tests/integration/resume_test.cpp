// A restore that is killed, stopped or left alone by its repository is gone on with by the same
// command, and what comes out is the source's data.

#include "support/fault_proxy.h"
#include "support/keyrewind.h"
#include "support/redis_server.h"
#include "support/s3_servers.h"
#include "support/test_repository.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <random>
#include <string>
#include <vector>

namespace keyrewind::test {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using testing::HasSubstr;

const std::string kServer = "redis-server-7.0";

/// A dataset of some hundred megabytes that is quickly made and restored slowly enough to be hit.
class Resume : public testing::Test {
 protected:
  void SetUp() override {
    require_server(kServer);
    require_repository();
    if (IsSkipped() || HasFatalFailure()) {
      return;
    }
    source_.emplace(ServerOptions{.program = kServer, .args = {"--rdbcompression", "no"}});
    // Every value begins with its number, so a piece in the wrong place is another digest.
    source_->cli({"DEBUG", "POPULATE", "400", "blob", "1000000"});
    keyrewind_.emplace(source_->url());
    keyrewind_->backup();
  }

  RedisServer& source() { return *source_; }
  const Keyrewind& keyrewind() const { return *keyrewind_; }

  fs::path target() const { return keyrewind().folder() / "data"; }
  fs::path note() const { return target() / ".keyrewind-tmp" / "snapshot.json"; }
  std::vector<std::string> restore() const {
    return {"restore", "--target", target().string(), "--if-empty"};
  }

  std::uint64_t noted() const {
    const auto json = nlohmann::json::parse(read_text(note()), nullptr, false);
    return json.is_object() ? json.value("bytes", std::uint64_t{0}) : 0;
  }

  std::string state() const {
    return nlohmann::json::parse(read_text(target() / ".keyrewind-restore.json"))["state"];
  }

  /// Restores until something is noted, and ends that with `number`.
  ExitResult interrupt(int number) {
    for (int attempt = 0; attempt < 20; ++attempt) {
      fs::remove_all(target());
      Process run = keyrewind().start(restore());
      while (!fs::exists(note()) && !run.try_wait(1ms)) {
      }
      run.signal(number);
      const ExitResult result = run.wait();
      if (fs::exists(note())) {
        return result;
      }
    }
    ADD_FAILURE() << "no restore was slow enough to be hit";
    return {};
  }

  void expect_no_data() const {
    for (const auto& entry : fs::directory_iterator(target())) {
      EXPECT_THAT(entry.path().filename().string(), testing::StartsWith(".keyrewind-"));
    }
  }

  /// The same command once more: it goes on, and all is there.
  void expect_gone_on_with() {
    EXPECT_GT(noted(), 0U);
    const RunResult again = keyrewind().run(restore());
    ASSERT_EQ(again.status, 0) << again.err;
    EXPECT_THAT(again.out, HasSubstr("goes on from an interrupted restore"));
    EXPECT_FALSE(fs::exists(target() / ".keyrewind-tmp"));
    EXPECT_EQ(state(), "done");
    RedisServer fresh({.program = kServer, .dir = target()});
    EXPECT_EQ(fresh.digest(), source().digest());
  }

 private:
  std::optional<RedisServer> source_;
  std::optional<Keyrewind> keyrewind_;
};

TEST_F(Resume, GoesOnAfterAKill) {
  EXPECT_EQ(interrupt(SIGKILL).signal, SIGKILL);
  expect_no_data();
  EXPECT_EQ(state(), "running");

  expect_gone_on_with();
}

TEST_F(Resume, GoesOnAfterControlC) {
  EXPECT_EQ(interrupt(SIGINT).code, 130);
  expect_no_data();
  EXPECT_EQ(state(), "interrupted");

  expect_gone_on_with();
}

TEST_F(Resume, OfAServerThatWasStartedMeanwhileFindsItsDataAndForgets) {
  interrupt(SIGKILL);
  {
    RedisServer started({.program = kServer, .dir = target()});
    EXPECT_EQ(started.dbsize(), 0U);
    started.cli({"SET", "mine", "1"});
    started.save();
  }

  const RunResult again = keyrewind().run(restore());

  EXPECT_EQ(again.status, 0) << again.err;
  EXPECT_THAT(again.out, HasSubstr("nothing to restore"));
  EXPECT_FALSE(fs::exists(target() / ".keyrewind-tmp"));
  EXPECT_TRUE(fs::exists(target() / "dump.rdb"));
}

/// Over S3, through a proxy that lets so many requests pass.
class ResumeOnS3 : public testing::Test {
 protected:
  void SetUp() override {
    require_server(kServer);
    require_rgw();
    if (IsSkipped() || HasFatalFailure()) {
      return;
    }
    source_.emplace(ServerOptions{.program = kServer});
    write_noise();
    keyrewind_.emplace(source_->url(), "", RepositoryKind::s3);
    proxy_.emplace(S3Server::rgw().endpoint());
    keyrewind_->store().set_endpoint(proxy_->endpoint());
    keyrewind_->store().set_more("  retry_time: 1s\n");
    keyrewind_->configure("version: 1\nsource:\n  name: orders\n  address: " + source_->url() +
                          "\n" + keyrewind_->store().yaml());
    keyrewind_->backup();
  }

  /// About 60 MB that no compression makes smaller.
  void write_noise() {
    std::mt19937 random(1);
    std::string value(1U << 20U, '\0');
    for (int i = 0; i < 60; ++i) {
      std::ranges::generate(value, [&] { return static_cast<char>(random()); });
      source_->cli({"SET", "noise:" + std::to_string(i), value});
    }
  }

  std::optional<RedisServer> source_;
  std::optional<Keyrewind> keyrewind_;
  std::optional<FaultProxy> proxy_;
};

TEST_F(ResumeOnS3, FetchesOnlyWhatIsMissingAfterTheStoreWentAway) {
  const fs::path target = keyrewind_->folder() / "data";
  const std::vector<std::string> restore{"restore", "--target", target.string()};
  const std::size_t before = proxy_->requests("GetObject");
  ASSERT_EQ(keyrewind_->run(restore).status, 0);
  const std::size_t whole = proxy_->requests("GetObject") - before;
  ASSERT_GE(whole, 8U) << proxy_->story();
  fs::remove_all(target);

  proxy_->inject({.kind = S3Fault::Kind::refused, .status = 503, .code = "SlowDown"},
                 {.operation = "GetObject", .path_part = ".rdb.zst", .skip = 5});
  const RunResult failed = keyrewind_->run(restore);
  EXPECT_EQ(failed.status, 5) << failed.err;
  EXPECT_THAT(failed.err, HasSubstr("run the same command again to go on"));
  EXPECT_FALSE(fs::exists(target / "dump.rdb"));

  proxy_->clear();
  const std::size_t begun = proxy_->requests("GetObject");
  const RunResult again = keyrewind_->run(restore);
  ASSERT_EQ(again.status, 0) << again.err;
  EXPECT_THAT(again.out, HasSubstr("goes on from an interrupted restore"));
  EXPECT_LT(proxy_->requests("GetObject") - begun, whole);
  RedisServer fresh({.program = kServer, .dir = target});
  EXPECT_EQ(fresh.digest(), source_->digest());
}

TEST_F(ResumeOnS3, VerifyDownloadsEverythingOnce) {
  const std::string id = keyrewind_->json({"show", "latest"})["id"];
  const std::size_t begun = proxy_->requests("GetObject");
  ASSERT_EQ(keyrewind_->run({"verify", id, "--level", "parse"}).status, 0);
  const std::size_t parse = proxy_->requests("GetObject") - begun;
  ASSERT_EQ(keyrewind_->run({"verify", id, "--level", "checksum"}).status, 0);
  const std::size_t checksum = proxy_->requests("GetObject") - begun - parse;

  // 60 MB in 15 ranges; its index, commits, manifests and markers are some more.
  EXPECT_LT(parse, 2 * 15U) << proxy_->story();
  EXPECT_LT(checksum, 2 * 15U) << proxy_->story();
}

}  // namespace
}  // namespace keyrewind::test
