#include "catalog/segment_data.h"

#include "sample.h"
#include "store/memory_store.h"
#include "support/faulty_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <utility>
#include <vector>

namespace keyrewind::catalog {
namespace {

using test::failure_of;
using test::Fault;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

constexpr std::int64_t kBegin = 1000;

/// A stored segment of several frames and links, whose ends do not meet.
class SegmentData : public testing::Test {
 protected:
  SegmentData() {
    std::mt19937 random(1);
    segment_ = test::plain_segment("orders", kBegin, kBegin + 700, test::sample_time(), {});
    for (int i = 0; i < 700; ++i) {
      raw_ += static_cast<char>(random());
    }
    segment_.frames.clear();
    segment_.links.clear();
    Bytes object;
    for (const std::size_t size : {100U, 250U, 50U, 300U}) {
      Bytes frame;
      codec::FrameCompressor(1).compress(view(framed_, size), frame);
      segment_.frames.push_back({static_cast<std::uint32_t>(frame.size()),
                                 static_cast<std::uint32_t>(size), test::digest_of(frame)});
      object.insert(object.end(), frame.begin(), frame.end());
      framed_ += size;
    }
    std::size_t linked = 0;
    for (const std::size_t size : {30U, 70U, 300U, 300U}) {
      const Digest digest = test::digest_of(view(linked, size));
      linked += size;
      segment_.links.push_back({kBegin + static_cast<std::int64_t>(linked), digest});
    }
    data_bytes_ = object.size();
    const Bytes index = encode_segment_index(segment_);
    object.insert(object.end(), index.begin(), index.end());
    store_.put_if_absent(kObject, object, {});
  }

  ByteView view(std::size_t begin, std::size_t size) const {
    return as_bytes(raw_).subspan(begin, size);
  }

  /// What is read from `from` on; checks that it comes in order.
  std::string read(std::int64_t from, const store::ObjectStore& store) {
    std::string got;
    first_ = -1;
    read_segment_data(store, kObject, segment_, from,
                      [&](ByteView raw, std::int64_t begin) {
                        if (first_ < 0) {
                          first_ = begin;
                        }
                        EXPECT_EQ(begin, first_ + static_cast<std::int64_t>(got.size()));
                        got += as_text(raw);
                      },
                      {});
    return got;
  }

  /// Whether what `take` got before the failure is a beginning of the stream.
  Error failure(const store::ObjectStore& store) {
    std::string got;
    const Error error = failure_of([&] {
      read_segment_data(store, kObject, segment_, kBegin,
                        [&](ByteView raw, std::int64_t) { got += as_text(raw); }, {});
    });
    EXPECT_EQ(got, raw_.substr(0, got.size()));
    return error;
  }

  const std::string kObject = "sources/orders/x.aof.zst";
  Segment segment_;
  std::string raw_;
  std::size_t framed_ = 0;
  std::size_t data_bytes_ = 0;
  std::int64_t first_ = 0;
  store::MemoryStore store_;
};

TEST_F(SegmentData, IsReadWhole) {
  EXPECT_EQ(read(kBegin, store_), raw_);
  EXPECT_EQ(read(0, store_), raw_);
}

TEST_F(SegmentData, IsReadFromTheFrameThatHoldsTheOffset) {
  const std::vector<std::int64_t> begins{0, 100, 350, 400, 700};
  for (std::int64_t offset = 0; offset < 700; ++offset) {
    const std::int64_t begin = *(std::ranges::upper_bound(begins, offset) - 1);
    EXPECT_EQ(read(kBegin + offset, store_), raw_.substr(static_cast<std::size_t>(begin)));
    EXPECT_EQ(first_, kBegin + begin);
  }
  EXPECT_EQ(read(kBegin + 700, store_), "");
}

TEST_F(SegmentData, AFlippedBitIsFoundAndNamesTheObject) {
  const Bytes object = *store_.get(kObject, ~0ULL, {});
  for (std::size_t byte = 0; byte < data_bytes_; ++byte) {
    Bytes damaged = object;
    damaged[byte] ^= static_cast<std::byte>(1U << (byte % 8));
    store_.remove(kObject, {});
    store_.put_if_absent(kObject, damaged, {});

    const Error error = failure(store_);

    EXPECT_EQ(error.kind(), ErrorKind::corrupt);
    EXPECT_EQ(error.side(), Side::repository);
    EXPECT_THAT(error.what(), HasSubstr(kObject));
  }
}

TEST_F(SegmentData, ACutIsFoundAndNamesTheObject) {
  const Bytes object = *store_.get(kObject, ~0ULL, {});
  for (std::size_t size = 0; size < data_bytes_; size += 9) {
    store_.remove(kObject, {});
    store_.put_if_absent(kObject, ByteView(object).first(size), {});

    const Error error = failure(store_);

    EXPECT_EQ(error.kind(), ErrorKind::corrupt);
    EXPECT_EQ(error.side(), Side::repository);
    EXPECT_THAT(error.what(), HasSubstr(kObject));
  }
}

TEST_F(SegmentData, AnObjectThatIsGoneIsNamed) {
  store_.remove(kObject, {});
  const Error error = failure(store_);
  EXPECT_EQ(error.kind(), ErrorKind::corrupt);
  EXPECT_THAT(error.what(), HasSubstr(kObject));
}

TEST_F(SegmentData, ALinkThatDoesNotHoldIsFoundWhereverItIsReadWhole) {
  for (std::size_t link = 0; link < segment_.links.size(); ++link) {
    segment_.links[link].sha256[0] ^= std::byte{1};
    EXPECT_EQ(failure(store_).kind(), ErrorKind::corrupt) << "link " << link;
    segment_.links[link].sha256[0] ^= std::byte{1};
  }
  // From the third frame on only the last link is read whole.
  segment_.links[1].sha256[0] ^= std::byte{1};
  segment_.links[2].sha256[0] ^= std::byte{1};
  EXPECT_EQ(read(kBegin + 360, store_), raw_.substr(350));
  segment_.links[3].sha256[0] ^= std::byte{1};
  EXPECT_EQ(failure_of([&] { read(kBegin + 360, store_); }).kind(), ErrorKind::corrupt);
}

// The frame is what its SHA-256 says, but not what the index says of its content.
TEST_F(SegmentData, AFrameOfAnotherSizeIsFound) {
  ++segment_.frames[1].raw_bytes;
  --segment_.frames[2].raw_bytes;

  EXPECT_EQ(failure(store_).kind(), ErrorKind::corrupt);
}

TEST_F(SegmentData, AStoreThatFailsIsNoDamage) {
  const test::FaultyStore faulty(store_, {.mode = Fault::Mode::fail_before, .call = 1});
  const Error error = failure(faulty);
  EXPECT_EQ(error.kind(), ErrorKind::unavailable);
  EXPECT_EQ(error.side(), Side::repository);
}

TEST_F(SegmentData, NeighbouringFramesAreFetchedWithOneRequest) {
  const test::FaultyStore counted(store_);

  EXPECT_EQ(read(kBegin + 120, counted), raw_.substr(100));

  EXPECT_EQ(counted.calls(), 1U);
}

TEST_F(SegmentData, RunsHoldJustTheFramesOfASpan) {
  const std::uint64_t all = data_bytes_;
  const auto numbers = [&](std::int64_t from, std::int64_t to, std::uint64_t max_bytes) {
    std::vector<std::pair<std::size_t, std::size_t>> runs;
    for (const FrameRun& run : data_runs(segment_, kBegin + from, kBegin + to, max_bytes)) {
      runs.emplace_back(run.first, run.end);
    }
    return runs;
  };
  EXPECT_THAT(numbers(0, 700, all), ElementsAre(Pair(0, 4)));
  EXPECT_THAT(numbers(-1000, 7000, all), ElementsAre(Pair(0, 4)));
  EXPECT_THAT(numbers(99, 100, all), ElementsAre(Pair(0, 1)));
  EXPECT_THAT(numbers(100, 101, all), ElementsAre(Pair(1, 2)));
  EXPECT_THAT(numbers(0, 700, 1), ElementsAre(Pair(0, 1), Pair(1, 2), Pair(2, 3), Pair(3, 4)));
  EXPECT_THAT(numbers(360, 380, all), ElementsAre(Pair(2, 3)));
  EXPECT_THAT(numbers(700, 700, all), IsEmpty());
}

TEST_F(SegmentData, IsDecodedFromRunsOfAnySize) {
  const Bytes object = *store_.get(kObject, ~0ULL, {});
  for (std::uint64_t max_bytes = 1; max_bytes <= data_bytes_; max_bytes += 50) {
    std::string got;
    SegmentDecoder decoder(kObject, segment_, 1);
    for (const FrameRun& run : data_runs(segment_, kBegin + 100, kBegin + 700, max_bytes)) {
      decoder.feed(ByteView(object).subspan(run.offset, run.bytes),
                   [&](ByteView raw, std::int64_t) { got += as_text(raw); });
    }
    EXPECT_EQ(got, raw_.substr(100)) << max_bytes;
  }
}

TEST_F(SegmentData, StopEndsTheReading) {
  std::stop_source stop;
  std::size_t pieces = 0;
  const Error error = failure_of([&] {
    read_segment_data(
        store_, kObject, segment_, kBegin,
        [&](ByteView, std::int64_t) {
          ++pieces;
          stop.request_stop();
        },
        stop.get_token());
  });
  EXPECT_EQ(error.kind(), ErrorKind::cancelled);
  EXPECT_EQ(pieces, 1U);
}

}  // namespace
}  // namespace keyrewind::catalog
