// What agent/catalog/FORMAT.md says, compared with a repository of that version.

#include "base/bytes.h"
#include "catalog/catalog.h"
#include "catalog/log.h"
#include "catalog/names.h"
#include "catalog/timeline.h"
#include "codec/frame_index.h"
#include "codec/sha256.h"
#include "codec/zstd_frame.h"
#include "sample.h"
#include "store/file_store.h"
#include "support/paths.h"
#include "support/process.h"
#include "support/temp_dir.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

namespace keyrewind::catalog {
namespace {

using testing::HasSubstr;

const std::filesystem::path kSourceDir = test::source_dir();

std::string format_page() {
  std::ifstream file(kSourceDir / "agent/catalog/FORMAT.md");
  return {std::istreambuf_iterator<char>(file), {}};
}

/// What the example's log has before its FLUSHALL.
constexpr std::string_view kWrites =
    "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n"
    "*3\r\n$3\r\nSET\r\n$8\r\ngreeting\r\n$5\r\nhowdy\r\n";

/// The shell commands of the section that begins with `heading`.
std::vector<std::string> shell_blocks(const std::string& heading) {
  const std::string page = format_page();
  const std::size_t begin = page.find(heading + "\n");
  EXPECT_NE(begin, std::string::npos) << heading;
  const std::string section = page.substr(begin, page.find("\n## ", begin + 1) - begin);
  std::vector<std::string> blocks;
  const std::string opening = "```sh\n";
  for (std::size_t at = section.find(opening); at != std::string::npos;
       at = section.find(opening, at)) {
    at += opening.size();
    blocks.push_back(section.substr(at, section.find("```", at) - at));
  }
  return blocks;
}

/// The bytes in hexadecimal, with a space between any two.
std::string hex_words(ByteView bytes) {
  std::string words;
  for (const std::byte byte : bytes) {
    words += (words.empty() ? "" : " ") + fmt::format("{:02x}", std::to_integer<unsigned>(byte));
  }
  return words;
}

class FormatTest : public testing::Test {
 protected:
  Commit commit() { return catalog_.find("latest", {}); }
  Snapshot snapshot() { return catalog_.manifest(commit(), {}).snapshots.at(0); }
  std::string text_of(const std::string& name) { return test::text_of(store_, name); }

  store::FileStore& store() { return store_; }

  /// The one segment of the example.
  SegmentEntry segment_entry() {
    return list_logs(store_, "orders", "0", {}).at(snapshot().lineage).at(0);
  }
  Segment segment() { return read_segment(store_, segment_entry(), {}).value(); }
  Bytes segment_object() { return store_.get(segment_entry().object, 1U << 20U, {}).value(); }

  Bytes object() {
    Bytes bytes(static_cast<std::size_t>(snapshot().object.bytes));
    store_.read(snapshot().object.name, 0, bytes, {});
    return bytes;
  }

 private:
  store::FileStore store_{kSourceDir / "tests/data/repositories/v1"};
  Catalog catalog_{store_, "orders"};
};

TEST_F(FormatTest, OfVersion1IsReadForEver) {
  const Commit commit = this->commit();
  const Snapshot snapshot = this->snapshot();

  EXPECT_EQ(commit.id, "20261120T130221Z-0a1b2c");
  EXPECT_EQ(commit.sequence, 1U);
  EXPECT_EQ(commit.keys, 2U);
  EXPECT_EQ(commit.server, "Valkey 8.1.1");
  EXPECT_EQ(snapshot.offset, 1234);
  EXPECT_EQ(snapshot.rdb.databases.at(0).by_type,
            (std::array<std::uint64_t, rdb::kValueTypes>{1, 0, 0, 0, 1, 0, 0}));
}

TEST_F(FormatTest, LeadsFromTheCommitToTheRdbByDigests) {
  const Snapshot snapshot = this->snapshot();
  const Bytes object = this->object();
  const ByteView index = ByteView(object).subspan(static_cast<std::size_t>(snapshot.index_offset));
  EXPECT_EQ(codec::sha256_hex(object), snapshot.object.sha256);
  EXPECT_EQ(codec::sha256_hex(index), snapshot.index_sha256);

  Bytes rdb;
  ByteView rest = object;
  for (const codec::Frame& frame : codec::decode_frame_index(index)) {
    const ByteView stored = rest.first(frame.stored_bytes);
    EXPECT_EQ(codec::sha256_hex(stored), to_hex(frame.sha256));
    Bytes raw;
    codec::FrameInflater().inflate(stored, frame.raw_bytes, raw);
    rdb.insert(rdb.end(), raw.begin(), raw.end());
    rest = rest.subspan(frame.stored_bytes);
  }

  EXPECT_EQ(rest.size(), index.size());
  EXPECT_EQ(rdb.size(), snapshot.rdb.bytes);
  EXPECT_EQ(codec::sha256_hex(rdb), snapshot.raw_sha256);
}

TEST_F(FormatTest, IsShownByItsExample) {
  const std::string page = format_page();

  EXPECT_THAT(page, HasSubstr(text_of(names::commit("orders", 1, commit().id))));
  std::string manifest = text_of(commit().manifest.name);
  const std::string folders = "75a4f1c0b3c94b0bd7ab1b34c2d3f6e88c5f2a10/snapshots";
  manifest.replace(manifest.find(folders), folders.size(), "…");
  EXPECT_THAT(page, HasSubstr(manifest));
}

TEST_F(FormatTest, IsShownByItsExampleByteForByte) {
  const std::string page = format_page();
  for (const Bytes& object : {this->object(), segment_object()}) {
    for (std::size_t offset = 0; offset < object.size(); offset += 16) {
      const ByteView line =
          ByteView(object).subspan(offset, std::min<std::size_t>(16, object.size() - offset));
      EXPECT_THAT(page, HasSubstr(fmt::format("{:08x}  {}", offset, hex_words(line))));
    }
  }
}

TEST_F(FormatTest, OfVersion1HasALogThatIsReadForEver) {
  const Segment segment = this->segment();

  EXPECT_EQ(segment.begin, 1234);
  EXPECT_EQ(segment.end, 1313);
  EXPECT_EQ(segment.previous, chain_start(segment.lineage, 1234));
  EXPECT_EQ(segment.marks.back().at, test::sample_time() + std::chrono::milliseconds(34877));
  EXPECT_EQ(segment.noted, (std::vector<aof::NotedCommand>{{"FLUSHALL", 0, 1295, 1313}}));
  const Bytes object = segment_object();
  Bytes raw;
  codec::FrameInflater().inflate(ByteView(object).first(segment.frames.at(0).stored_bytes),
                                 segment.frames.at(0).raw_bytes, raw);
  EXPECT_EQ(test::digest_of(raw), segment.links.at(0).sha256);
  EXPECT_EQ(as_text(raw), std::string(kWrites) + "*1\r\n$8\r\nFLUSHALL\r\n");
}

TEST_F(FormatTest, HasATimelineFromItsSnapshotToTheEndOfItsLog) {
  const Timeline timeline = read_timeline(Catalog(store(), "orders"), {});

  ASSERT_EQ(timeline.windows.size(), 1U);
  EXPECT_EQ(timeline.windows[0].begin, 1234);
  EXPECT_EQ(timeline.windows[0].end, 1313);
  EXPECT_EQ(timeline.windows[0].from, commit().created);  // Its manifest does not say "taken".
  ASSERT_EQ(timeline.events.size(), 2U);
  EXPECT_EQ(timeline.events[0].command, "FLUSHALL");
  EXPECT_EQ(timeline.events[0].before, 1295);
  EXPECT_EQ(timeline.events[1].kind, "gap");
  EXPECT_THAT(timeline.problems, testing::IsEmpty());
}

TEST_F(FormatTest, ShowsItsSegmentAndItsEvent) {
  const std::string page = format_page();
  const Bytes object = segment_object();
  const ByteView index =
      ByteView(object).subspan(segment().frames.at(0).stored_bytes + std::size_t{8});
  const ByteView frame = index.first(index.size() - 52);
  Bytes document;
  codec::FrameInflater().inflate(frame, codec::stated_raw_bytes(frame), document);

  EXPECT_THAT(page, HasSubstr(nlohmann::ordered_json::parse(as_text(document)).dump(2) + "\n```"));
  EXPECT_THAT(page, HasSubstr(hex_words(ByteView(index).last(52).first(16)) + "  its SHA-256"));
  EXPECT_THAT(page,
              HasSubstr(hex_words(ByteView(index).last(8)) + "                          KRW"));
  EXPECT_THAT(page, HasSubstr(text_of(names::event("orders", "0", snapshot().lineage,
                                                   "20261120T130256Z-7d3e90"))));
}

// The page's own commands, with nothing but what every Unix has and zstd.
TEST_F(FormatTest, ShowsHowAMomentIsRecoveredWithoutKeyrewind) {
  const test::TempDir out;
  std::string script = "set -eu\n";
  for (std::string block : shell_blocks("## 16. Recovery of a moment without Keyrewind")) {
    const std::string place = "out=/tmp/recovered";
    if (const std::size_t found = block.find(place); found != std::string::npos) {
      script += block.replace(found, place.size(), "out=" + out.path().native());
    }
  }
  const auto read = [&](const std::string& name) {
    std::ifstream file(out / name, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };

  const test::RunResult run = test::run(
      {.command = {"sh", "-c", script}, .cwd = kSourceDir / "tests/data/repositories/v1"});

  ASSERT_EQ(run.status, 0) << run.err;
  const std::string sha256 = run.out.substr(0, 64);
  EXPECT_THAT(run.out, testing::StartsWith(sha256 + sha256 + "  ")) << "the index's SHA-256 twice";
  EXPECT_EQ(nlohmann::json::parse(read("index.json")).at("noted").at(0).at("before"), 1295);
  EXPECT_EQ(codec::sha256_hex(as_bytes(read("appendonlydir/appendonly.aof.1.base.rdb"))),
            snapshot().raw_sha256);
  EXPECT_EQ(read("appendonlydir/appendonly.aof.1.incr.aof"),
            "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n" + std::string(kWrites));
  EXPECT_EQ(read("appendonlydir/appendonly.aof.manifest"),
            "file appendonly.aof.1.base.rdb seq 1 type b\n"
            "file appendonly.aof.1.incr.aof seq 1 type i\n");
}

}  // namespace
}  // namespace keyrewind::catalog
