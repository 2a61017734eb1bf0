// How fast encrypting and decrypting in the age format is on one core. To compare with the program:
//
//   age-keygen -o key; time age -r "$(age-keygen -y key)" -o file.age FILE; time age -d -i key
//   file.age

#include "codec/age.h"
#include "codec/age_header.h"
#include "codec/age_stream.h"

#include <benchmark/benchmark.h>

#include <cstdint>
#include <vector>

namespace keyrewind::codec {
namespace {

constexpr std::size_t kFrameBytes = 4U << 20U;  // Of the size in which snapshots arrive.
constexpr int kFrames = 16;

std::vector<AgeIdentity> identities() {
  return {
      AgeIdentity("AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX")};
}

void encrypt(const AgeEncryptor::Emit& emit) {
  static const Bytes frame(kFrameBytes, std::byte{'x'});
  AgeEncryptor encryptor({identities().front().recipient()});
  for (int i = 0; i < kFrames; ++i) {
    encryptor.feed(frame, emit);
  }
  encryptor.finish(emit);
}

void count_bytes(benchmark::State& state) {
  state.SetBytesProcessed(state.iterations() * kFrames * std::int64_t{kFrameBytes});
}

void age_encrypt(benchmark::State& state) {
  for (auto _ : state) {
    std::uint64_t bytes = 0;
    encrypt([&](ByteView sealed) { bytes += sealed.size(); });
    benchmark::DoNotOptimize(bytes);
  }
  count_bytes(state);
}
BENCHMARK(age_encrypt)->Unit(benchmark::kMillisecond);

void age_decrypt(benchmark::State& state) {
  Bytes file;
  encrypt([&](ByteView sealed) { file.insert(file.end(), sealed.begin(), sealed.end()); });
  const AgeHeader header = AgeHeader::parse(file).value();
  const ByteView payload = ByteView(file).subspan(header.bytes());
  AgeChunks chunks(
      age_payload_key(header.unlock(identities()).value(), payload.first(kAgeNonceBytes)));
  Bytes plain(kAgeChunkBytes);
  for (auto _ : state) {
    ByteView rest = payload.subspan(kAgeNonceBytes);
    for (std::uint64_t number = 0; !rest.empty(); ++number) {
      const ByteView sealed = rest.first(kSealedChunkBytes);  // The file holds whole chunks.
      rest = rest.subspan(sealed.size());
      if (!chunks.open({.number = number, .last = rest.empty()}, sealed, plain)) {
        state.SkipWithError("a chunk is not authentic");
        return;
      }
    }
  }
  count_bytes(state);
}
BENCHMARK(age_decrypt)->Unit(benchmark::kMillisecond);

void age_open_header(benchmark::State& state) {
  Bytes file;
  AgeEncryptor encryptor({identities().front().recipient()});
  encryptor.finish([&](ByteView sealed) { file.insert(file.end(), sealed.begin(), sealed.end()); });
  for (auto _ : state) {
    benchmark::DoNotOptimize(AgeHeader::parse(file).value().unlock(identities()));
  }
}
BENCHMARK(age_open_header)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace keyrewind::codec

BENCHMARK_MAIN();
