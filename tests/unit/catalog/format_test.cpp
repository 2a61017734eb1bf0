// What agent/catalog/FORMAT.md says, compared with a repository of that version.

#include "base/bytes.h"
#include "catalog/catalog.h"
#include "codec/frame_index.h"
#include "codec/sha256.h"
#include "codec/zstd_frame.h"
#include "sample.h"
#include "store/file_store.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace keyrewind::catalog {
namespace {

using testing::HasSubstr;

const std::filesystem::path kSourceDir = KEYREWIND_SOURCE_DIR;

std::string format_page() {
  std::ifstream file(kSourceDir / "agent/catalog/FORMAT.md");
  return {std::istreambuf_iterator<char>(file), {}};
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
  const Bytes object = this->object();
  for (std::size_t offset = 0; offset < object.size(); offset += 16) {
    const ByteView line =
        ByteView(object).subspan(offset, std::min<std::size_t>(16, object.size() - offset));
    EXPECT_THAT(page, HasSubstr(fmt::format("{:08x}  {}", offset, hex_words(line))));
  }
}

}  // namespace
}  // namespace keyrewind::catalog
