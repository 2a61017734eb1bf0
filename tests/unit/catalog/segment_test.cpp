#include "catalog/segment.h"

#include "base/error.h"
#include "codec/zstd_frame.h"
#include "sample.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <vector>

namespace keyrewind::catalog {
namespace {

using nlohmann::json;
using test::failure_of;
using testing::HasSubstr;

constexpr std::size_t kTrailer = 52;

std::string hex(const Digest& digest) {
  return to_hex(digest);
}

/// The JSON in an index.
json document_of(ByteView index) {
  const ByteView frame = index.subspan(8, index.size() - 8 - kTrailer);
  Bytes raw;
  codec::FrameInflater().inflate(frame, codec::stated_raw_bytes(frame), raw);
  return json::parse(as_text(raw));
}

void put_number(Bytes& bytes, std::size_t at, std::uint64_t number, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    bytes[at + i] = static_cast<std::byte>(number >> (8 * i));
  }
}

/// An index whose every digest is right, around a frame of any content.
Bytes index_around(ByteView frame) {
  Bytes index(8);
  put_number(index, 0, 0x184D2A5C, 4);
  put_number(index, 4, frame.size() + kTrailer, 4);
  index.insert(index.end(), frame.begin(), frame.end());
  const Digest digest = test::digest_of(frame);
  index.insert(index.end(), digest.begin(), digest.end());
  index.resize(index.size() + 12);
  put_number(index, index.size() - 12, frame.size(), 8);
  put_number(index, index.size() - 4, 1, 4);
  const ByteView signature = as_bytes("KRWSEGMT");
  index.insert(index.end(), signature.begin(), signature.end());
  return index;
}

Bytes index_of(const std::string& text) {
  Bytes frame;
  codec::FrameCompressor(1).compress(as_bytes(text), frame);
  return index_around(frame);
}

Segment decode(ByteView index) {
  SegmentTail tail = decode_segment_index(index);
  EXPECT_TRUE(tail.segment) << "needs " << tail.needed << " bytes";
  return tail.segment.value_or(Segment{});
}

Error failure_of_index(ByteView index) {
  return failure_of([&] { (void)decode(index); });
}

TEST(SegmentIndex, GivesBackWhatWasWritten) {
  const Segment segment = test::sample_segment();

  EXPECT_EQ(decode(encode_segment_index(segment)), segment);
}

TEST(SegmentIndex, KeepsTheLargestNumbers) {
  Segment segment = test::sample_segment();
  const std::int64_t end = std::numeric_limits<std::int64_t>::max();
  const std::int64_t shift = end - segment.end;
  segment.begin += shift;
  segment.end = end;
  for (auto& link : segment.links) {
    link.end += shift;
  }
  for (auto& id : segment.ids) {
    id.offset += shift;
  }
  for (auto& mark : segment.marks) {
    mark.offset += shift;
  }
  for (auto& resumption : segment.resumptions) {
    resumption.offset += shift;
  }
  for (auto& noted : segment.noted) {
    noted.before += shift;
    noted.end += shift;
  }
  segment.database = std::numeric_limits<std::uint64_t>::max();
  segment.commands = std::numeric_limits<std::uint64_t>::max();
  segment.marks.back().at = Timestamp(std::chrono::milliseconds(253402300799999));
  segment.marks.front().at = Timestamp{};

  EXPECT_EQ(decode(encode_segment_index(segment)), segment);
}

// A hundred thousand marks, a noted command each 100 bytes: what a day of merged segments has.
TEST(SegmentIndex, StaysSmall) {
  Segment segment = test::plain_segment("orders", 0, 100'000'000, test::sample_time(), {});
  segment.marks.clear();
  for (std::int64_t i = 1; i <= 100'000; ++i) {
    segment.marks.push_back({i * 1000, test::sample_time() + std::chrono::milliseconds(997 * i)});
  }
  for (std::int64_t i = 1; i <= static_cast<std::int64_t>(kMaxNoted); ++i) {
    segment.noted.push_back({"FLUSHALL", 0, i * 100 - 30, i * 100});
  }
  const Bytes object = test::segment_object(segment);

  const SegmentTail tail = decode_segment_index(object);

  ASSERT_TRUE(tail.segment);
  EXPECT_EQ(*tail.segment, segment);
  EXPECT_LT(tail.index_bytes, 512U << 10U);
}

TEST(SegmentIndex, IsFoundAtTheEndOfItsObject) {
  Segment segment = test::sample_segment();
  const Bytes object = test::segment_object(segment);
  const Bytes index = encode_segment_index(segment);

  const SegmentTail tail = decode_segment_index(object);

  EXPECT_EQ(tail.segment, segment);
  EXPECT_EQ(tail.index_bytes, index.size());
  EXPECT_EQ(tail.needed, 0U);
}

TEST(SegmentIndex, SaysHowMuchItNeeds) {
  const Bytes index = encode_segment_index(test::sample_segment());
  for (std::size_t length = 0; length < index.size(); ++length) {
    const SegmentTail tail = decode_segment_index(ByteView(index).last(length));
    EXPECT_EQ(tail.segment, std::nullopt) << length;
    EXPECT_EQ(tail.needed, length < 60 ? 60 : index.size()) << length;
  }
}

TEST(SegmentIndex, IsFramedAsTheFormatSays) {
  const Bytes index = encode_segment_index(test::sample_segment());
  const std::size_t frame = index.size() - 8 - kTrailer;

  EXPECT_EQ(to_hex(ByteView(index).first(4)), "5c2a4d18");
  EXPECT_EQ(std::to_integer<std::size_t>(index[4]) + 256 * std::to_integer<std::size_t>(index[5]),
            frame + kTrailer);
  EXPECT_EQ(to_hex(ByteView(index).last(52).first(32)),
            hex(test::digest_of(ByteView(index).subspan(8, frame))));
  EXPECT_EQ(to_hex(ByteView(index).last(12)), "010000004b52575345474d54");
}

TEST(SegmentIndex, ShowsEveryByteThatChanged) {
  const Segment segment = test::sample_segment();
  const Bytes index = encode_segment_index(segment);
  for (std::size_t bit = 0; bit < index.size() * 8; ++bit) {
    Bytes damaged = index;
    damaged[bit / 8] ^= std::byte{1} << (bit % 8);
    const Error error = failure_of([&] {
      if (!decode_segment_index(damaged).segment) {
        throw Error(ErrorKind::corrupt, "too short");
      }
    });
    EXPECT_TRUE(error.kind() == ErrorKind::corrupt || error.kind() == ErrorKind::incompatible)
        << "bit " << bit << ": " << error.what();
  }
}

TEST(SegmentIndex, ShowsEveryTruncation) {
  const Bytes index = encode_segment_index(test::sample_segment());
  for (std::size_t length = kTrailer + 8; length < index.size(); ++length) {
    EXPECT_EQ(failure_of_index(ByteView(index).first(length)).kind(), ErrorKind::corrupt) << length;
  }
}

TEST(SegmentIndex, SaysThatItIsNewer) {
  Bytes index = encode_segment_index(test::sample_segment());
  put_number(index, index.size() - 12, 2, 4);
  const Error error = failure_of_index(index);
  EXPECT_EQ(error.kind(), ErrorKind::incompatible);
  EXPECT_EQ(error.side(), Side::repository);
  EXPECT_THAT(error.what(), HasSubstr("use a newer one"));

  json document = document_of(encode_segment_index(test::sample_segment()));
  document["format"] = 2;
  EXPECT_EQ(failure_of_index(index_of(document.dump())).kind(), ErrorKind::incompatible);
}

TEST(SegmentIndex, BelievesNoLengthThatIsAbsurd) {
  Bytes index = encode_segment_index(test::sample_segment());
  for (const std::uint64_t length :
       {kMaxSegmentIndexBytes + 1, std::uint64_t{1} << 40U, ~std::uint64_t{0}}) {
    put_number(index, index.size() - 20, length, 8);
    EXPECT_EQ(failure_of_index(index).kind(), ErrorKind::corrupt) << length;
  }

  // A frame that says it holds 1 TiB: single segment, content size of 8 bytes.
  Bytes frame(13);
  put_number(frame, 0, 0xFD2FB528, 4);
  frame[4] = std::byte{0xE0};
  put_number(frame, 5, std::uint64_t{1} << 40U, 8);
  const Error error = failure_of_index(index_around(frame));
  EXPECT_EQ(error.kind(), ErrorKind::corrupt);
  EXPECT_THAT(error.what(), HasSubstr("it would hold 1099511627776 bytes"));
}

TEST(SegmentIndex, HoldsAFrameOfJsonOnly) {
  EXPECT_EQ(failure_of_index(index_around(as_bytes("no frame"))).kind(), ErrorKind::corrupt);
  EXPECT_EQ(failure_of_index(index_around({})).kind(), ErrorKind::corrupt);
  EXPECT_EQ(failure_of_index(index_of("no JSON")).kind(), ErrorKind::corrupt);
  EXPECT_EQ(failure_of_index(index_of("{}")).kind(), ErrorKind::corrupt);
  Bytes frame;
  codec::FrameCompressor(1).compress(as_bytes(std::string(1000, 'a')), frame);
  frame[frame.size() / 2] ^= std::byte{0x10};
  const Error error = failure_of_index(index_around(frame));
  EXPECT_EQ(error.kind(), ErrorKind::corrupt);
  EXPECT_EQ(error.side(), Side::repository);
}

TEST(SegmentIndex, MissesNoneOfItsFields) {
  const json sound = document_of(encode_segment_index(test::sample_segment()));
  for (const auto& item : sound.items()) {
    json document = sound;
    document.erase(item.key());
    const Error error = failure_of_index(index_of(document.dump()));
    EXPECT_EQ(error.kind(), ErrorKind::corrupt) << item.key();
    EXPECT_THAT(error.what(), HasSubstr(item.key() + " is missing"));
  }
}

TEST(SegmentIndex, MayHaveFieldsOfLaterVersions) {
  json document = document_of(encode_segment_index(test::sample_segment()));
  document["later"] = {{"a", 1}};
  document["links"][0]["later"] = 1;
  document["noted"][0]["later"] = nullptr;

  EXPECT_EQ(decode(index_of(document.dump())), test::sample_segment());
}

TEST(SegmentIndex, IsRefusedWhereItsPartsDoNotFit) {
  const json sound = document_of(encode_segment_index(test::sample_segment()));
  const std::string other_id(40, 'e');
  const std::vector<std::pair<std::string, json>> spoils = {
      {"/source", "../a"},
      {"/shard", ""},
      {"/lineage", "75a4"},
      {"/begin", 5000},
      {"/begin", 999},
      {"/begin", -1},
      {"/begin", 1.5},
      {"/end", 5001},
      {"/end", 1000},
      {"/end", 9223372036854775808ULL},
      {"/database", -1},
      {"/database", "0"},
      {"/commands", nullptr},
      {"/ids", json::array()},
      {"/ids/0/offset", 1001},
      {"/ids/1/offset", 5001},
      {"/ids/1/offset", 999},
      {"/ids/1/replid", "75a4"},
      {"/previous", "00"},
      {"/previous", std::string(64, 'G')},
      {"/links", json::array()},
      {"/links/0/end", 1000},
      {"/links/0/end", 5000},
      {"/links/1/end", 4999},
      {"/links/1/sha256", ""},
      {"/marks/from", -1},
      {"/marks/from", 253402300800000},
      {"/marks/deltas", json::array()},
      {"/marks/deltas", json::array({4000})},
      {"/marks/deltas", json::array({4000, 0, 0})},
      {"/marks/deltas", json::array({3999, 0})},
      {"/marks/deltas", json::array({4001, 0})},
      {"/marks/deltas", json::array({4000, -1795179741124})},
      {"/marks/deltas", json::array({4000, 253402300799999})},
      {"/marks/deltas", json::array({5000, 0, -1000, 0})},
      {"/marks/deltas", json::array({4000, "0"})},
      {"/marks/deltas", json::array({4000, 0.5})},
      {"/marks/deltas", json::array({9223372036854775807, 0})},
      {"/marks/deltas", json::array({4000, 9223372036854775808ULL})},
      {"/resumptions/0/offset", 5001},
      {"/resumptions/0/offset", 999},
      {"/resumptions/0/at", "yesterday"},
      {"/resumptions/0/node", 7},
      {"/noted/0/before", 999},
      {"/noted/0/before", 1230},
      {"/noted/0/end", 4990},
      {"/noted/1/end", 5001},
      {"/noted/0/command", nullptr},
      {"/noted_left_out", -1},
      {"/frames", json::array()},
      {"/frames/0/raw", 3999},
      {"/frames/0/raw", 4001},
      {"/frames/0/raw", 0},
      {"/frames/0/raw", 4294967296},
      {"/frames/0/stored", 0},
      {"/frames/0/stored", 4294967295},
      {"/frames/0/sha256", "x"},
      {"/kind", "keyrewind-event"},
      {"/format", 0},
  };
  EXPECT_EQ(decode(index_of(sound.dump())), test::sample_segment());
  for (const auto& [path, value] : spoils) {
    json document = sound;
    document[json::json_pointer(path)] = value;
    const Error error = failure_of_index(index_of(document.dump()));
    EXPECT_EQ(error.kind(), ErrorKind::corrupt) << path << " = " << value << ": " << error.what();
    EXPECT_EQ(error.side(), Side::repository);
  }
}

TEST(SegmentIndex, NamesThePartThatDoesNotFit) {
  json document = document_of(encode_segment_index(test::sample_segment()));
  document["links"][1]["end"] = 4999;

  EXPECT_STREQ(failure_of_index(index_of(document.dump())).what(),
               "the segment's index is damaged: links do not fit the rest");
}

TEST(SegmentIndex, HoldsNoMoreNotedCommandsThanItMay) {
  Segment segment = test::plain_segment("orders", 0, 1'000'000, test::sample_time(), {});
  for (std::int64_t i = 1; i <= static_cast<std::int64_t>(kMaxNoted) + 1; ++i) {
    segment.noted.push_back({"FLUSHALL", 0, i * 10 - 1, i * 10});
  }
  EXPECT_EQ(failure_of([&] { (void)test::segment_object(segment); }).kind(), ErrorKind::internal);
  segment.noted.pop_back();
  EXPECT_NO_THROW((void)test::segment_object(segment));
}

TEST(SegmentIndex, HoldsNoFrameThatIsTooLarge) {
  Segment segment =
      test::plain_segment("orders", 0, kMaxSegmentFrameBytes + 1, test::sample_time(), {});
  segment.frames = {{1000, kMaxSegmentFrameBytes + 1, {}}};
  EXPECT_EQ(failure_of([&] { (void)encode_segment_index(segment); }).kind(), ErrorKind::internal);
  segment.frames = {{1000, kMaxSegmentFrameBytes, {}}, {10, 1, {}}};
  EXPECT_EQ(decode(encode_segment_index(segment)), segment);
}

TEST(SegmentIndex, IsNotWrittenIfNoReaderWouldTakeIt) {
  const std::vector<std::function<void(Segment&)>> spoils = {
      [](Segment& segment) { segment.source = "a/b"; },
      [](Segment& segment) { segment.end = segment.begin; },
      [](Segment& segment) { segment.ids.clear(); },
      [](Segment& segment) { segment.links.clear(); },
      [](Segment& segment) { segment.marks.clear(); },
      [](Segment& segment) { segment.marks.back().at = Timestamp::max(); },
      [](Segment& segment) { segment.resumptions.front().at = Timestamp::min(); },
      [](Segment& segment) { segment.frames.clear(); },
  };
  for (std::size_t i = 0; i < spoils.size(); ++i) {
    Segment segment = test::sample_segment();
    spoils[i](segment);
    EXPECT_EQ(failure_of([&] { (void)encode_segment_index(segment); }).kind(), ErrorKind::internal)
        << i;
  }
}

TEST(SegmentIndex, IsNotWrittenIfItWouldBeTooLarge) {
  Segment segment = test::sample_segment();
  segment.resumptions.front().node = std::string(kMaxSegmentIndexBytes, 'a');

  EXPECT_EQ(failure_of([&] { (void)encode_segment_index(segment); }).kind(), ErrorKind::failed);
}

// FORMAT.md, section "The hash chain": computed there with sha256sum.
TEST(Chain, IsThatOfTheFormat) {
  const std::string lineage(test::kSampleLineage);
  const Digest start = chain_start(lineage, 1234);
  EXPECT_EQ(start, test::digest_of(as_bytes("keyrewind log " + lineage + " 1234")));

  Link link{0x0102030405060708, {}};
  link.sha256.fill(std::byte{0x77});
  std::string fed(as_text(start));
  fed += std::string("\x08\x07\x06\x05\x04\x03\x02\x01") + std::string(32, '\x77');
  EXPECT_EQ(chain_after(start, link), test::digest_of(as_bytes(fed)));
}

TEST(Chain, FoldsOverAllLinks) {
  const Segment segment = test::sample_segment();

  EXPECT_EQ(chain_end(segment),
            chain_after(chain_after(segment.previous, segment.links[0]), segment.links[1]));
}

TEST(Arrival, IsTheTimeOfTheFirstMarkThatReachesIt) {
  const Segment segment = test::sample_segment();
  const auto before = [](int milliseconds) {
    return test::sample_time() - std::chrono::milliseconds(milliseconds);
  };

  EXPECT_EQ(arrival(segment, 0), before(5000));
  EXPECT_EQ(arrival(segment, 1000), before(5000));
  EXPECT_EQ(arrival(segment, 1001), before(4000));
  EXPECT_EQ(arrival(segment, 2000), before(4000));
  EXPECT_EQ(arrival(segment, 2001), before(60000));
  EXPECT_EQ(arrival(segment, 5000), before(0));
  EXPECT_EQ(failure_of([&] { (void)arrival(segment, 5001); }).kind(), ErrorKind::internal);
}

}  // namespace
}  // namespace keyrewind::catalog
