#include "base/clock.h"
#include "catalog/catalog.h"
#include "catalog/log_runs.h"
#include "catalog/names.h"
#include "catalog/repository.h"
#include "store/file_store.h"
#include "support/manual_clock.h"
#include "unit/catalog/sample.h"

#include <fmt/format.h>

#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <string_view>

/// Makes the repository of catalog.sh: backups and a log of many segments, as agents would have
/// written them over years, with the pages that the program writes of them. Syncs nothing.
namespace keyrewind {
namespace {

namespace fs = std::filesystem;
using std::chrono::seconds;

constexpr std::int64_t kSegmentBytes = 1000;
constexpr seconds kSegmentTime{10};
constexpr std::uint64_t kSegmentsOfOneReplid = 300'000;
constexpr std::uint64_t kSegmentsOfOneFlush = 2'000;

const std::string kSource = "bench";
const std::string kLineage(test::kSampleLineage);

/// Years ago, so that retention has something to remove.
Timestamp first_time(std::uint64_t segments) {
  const auto now = std::chrono::floor<seconds>(SystemClock().now());
  return now - kSegmentTime * static_cast<std::int64_t>(segments + 1);
}

void write_file(const fs::path& path, ByteView content) {
  std::ofstream file(path, std::ios::binary);
  file.write(as_text(content).data(), static_cast<std::streamsize>(content.size()));
  if (!file.flush()) {
    throw Error(ErrorKind::failed, "cannot write " + path.string());
  }
}

catalog::Segment segment_at(std::uint64_t number, Timestamp from, const catalog::Digest& previous) {
  const std::int64_t begin = kSegmentBytes * static_cast<std::int64_t>(number);
  catalog::Segment segment =
      test::plain_segment(kSource, begin, begin + kSegmentBytes,
                          from + kSegmentTime * static_cast<std::int64_t>(number + 1), previous);
  segment.lineage = kLineage;
  segment.ids.front().replid = fmt::format("{:040x}", number / kSegmentsOfOneReplid + 1);
  if (number % kSegmentsOfOneFlush == 0) {
    segment.noted = {{"FLUSHALL", 0, begin + 10, begin + 40}};
  }
  return segment;
}

void write_log(const fs::path& root, std::uint64_t segments, Timestamp from) {
  const std::string prefix = catalog::names::lineages(kSource, "0") + kLineage + "/log";
  fs::create_directories(root / prefix);
  catalog::Digest chain = catalog::chain_start(kLineage, 0);
  for (std::uint64_t i = 0; i < segments; ++i) {
    catalog::Segment segment = segment_at(i, from, chain);
    chain = catalog::chain_end(segment);
    const Bytes object = test::segment_object(segment);
    write_file(root / catalog::names::segment(kSource, "0",
                                              {.lineage = kLineage,
                                               .begin = segment.begin,
                                               .end = segment.end,
                                               .last = segment.marks.back().at}),
               object);
  }
}

/// Spread evenly over the log, each with an object of some bytes for a snapshot.
void write_backups(const fs::path& root, std::uint64_t backups, std::uint64_t segments,
                   Timestamp from) {
  const std::string commits = catalog::names::commits(kSource);
  fs::create_directories(root / commits);
  fs::create_directories(root / catalog::names::lineages(kSource, "0") / kLineage / "snapshots");
  for (std::uint64_t i = 0; i < backups; ++i) {
    const std::uint64_t number = segments * i / backups;
    const Timestamp taken = from + kSegmentTime * static_cast<std::int64_t>(number);
    const std::string id = fmt::format("{}-{:06x}", to_compact(taken), i);
    catalog::Manifest manifest = test::sample_manifest(kSource, id, taken);
    catalog::Snapshot& snapshot = manifest.snapshots.front();
    snapshot.lineage = kLineage;
    snapshot.replid = fmt::format("{:040x}", number / kSegmentsOfOneReplid + 1);
    snapshot.offset = kSegmentBytes * static_cast<std::int64_t>(number);
    snapshot.taken = taken;
    snapshot.object.name =
        catalog::names::snapshot(kSource, "0", kLineage, snapshot.offset, id, false);
    write_file(root / snapshot.object.name,
               Bytes(static_cast<std::size_t>(snapshot.object.bytes), std::byte{'x'}));
    const std::string encoded = catalog::encode(manifest);
    const std::string name = catalog::names::manifest(kSource, id);
    fs::create_directories((root / name).parent_path());
    write_file(root / name, as_bytes(encoded));
    catalog::Commit commit;
    commit.id = id;
    commit.sequence = i + 1;
    commit.source = kSource;
    commit.created = taken;
    commit.finished = taken;
    commit.keys = manifest.keys();
    commit.raw_bytes = manifest.raw_bytes();
    commit.stored_bytes = manifest.stored_bytes();
    commit.server = "Valkey 8.1.1";
    commit.labels = manifest.labels;
    commit.manifest = {name, encoded.size(), codec::sha256_hex(as_bytes(encoded))};
    write_file(root / catalog::names::commit(kSource, commit.sequence, id),
               as_bytes(catalog::encode(commit)));
  }
}

void make(const fs::path& root, std::uint64_t backups, std::uint64_t segments) {
  const SystemClock clock;
  store::FileStore store(root);
  catalog::ensure_repository(store, clock, {});
  const Timestamp from = first_time(segments);
  write_backups(root, backups, segments, from);
  write_log(root, segments, from);
  catalog::write_log_pages(store, kSource, "0", {});
  catalog::Catalog catalog(store, kSource);
  for (std::uint64_t runs = 0; runs <= backups / 1000; ++runs) {
    const catalog::Writer writer(catalog, clock, {});  // Each writes a few pages.
  }
}

/// How long it takes, and how much CPU, to list the source's lineages, and nothing else.
void list(const fs::path& root) {
  const store::FileStore store(root);
  std::uint64_t objects = 0;
  const auto begin = std::chrono::steady_clock::now();
  store.visit(catalog::names::lineages(kSource, "0"), [&](const store::ObjectInfo&) { ++objects; },
              {});
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  const auto cpu = static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
  std::cout << fmt::format("{:.2f} {:.2f} {}\n", took.count(), cpu, objects);
}

std::uint64_t number_of(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc() || end != text.data() + text.size()) {
    throw Error(ErrorKind::config, fmt::format("'{}' is not a number", text));
  }
  return number;
}

}  // namespace
}  // namespace keyrewind

int main(int count, char** arguments) {
  const std::vector<std::string> words(arguments + 1, arguments + count);
  try {
    if (words.size() == 4 && words[0] == "make") {
      keyrewind::make(words[1], keyrewind::number_of(words[2]), keyrewind::number_of(words[3]));
      return EXIT_SUCCESS;
    }
    if (words.size() == 2 && words[0] == "list") {
      keyrewind::list(words[1]);
      return EXIT_SUCCESS;
    }
    std::cerr << "usage: catalog_bench make FOLDER BACKUPS SEGMENTS | list FOLDER\n";
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
  }
  return EXIT_FAILURE;
}
