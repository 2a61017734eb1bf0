#include "restore/frame_reader.h"

#include "base/error.h"
#include "catalog/frame_runs.h"
#include "codec/sha256.h"
#include "codec/zstd_frame.h"
#include "flow/channel.h"
#include "flow/group.h"
#include "flow/pool.h"
#include "flow/read_ahead.h"
#include "flow/sequencer.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <memory>
#include <utility>

namespace keyrewind::restore {
namespace {

using catalog::FrameRun;

/// Frames that wait to be inflated: their bytes are those of the runs, so they cost nothing.
constexpr std::size_t kQueuedFrames = 64;

/// Besides those that threads inflate into, one waits for the reader and one is with it.
constexpr std::size_t kPassingBuffers = 2;

/// Besides those on their way, one run is being inflated and one waits for that.
constexpr std::size_t kPassingRuns = 2;

}  // namespace

/// One run through the frames, with all that is on its way.
class FrameReader::Passage {
 public:
  Passage(const FrameReader& reader, std::size_t first, Inflate inflate, const Consume& consume,
          std::stop_token stop)
      : reader_(reader),
        first_(first),
        inflate_(inflate),
        consume_(consume),
        runs_(catalog::frame_runs(reader.frames_, first, reader.frames_.size(),
                                  reader.shares_.run_bytes)),
        fetched_(
            {"fetch", reader.shares_.connections, reader.shares_.runs}, runs_.size(),
            [this](std::uint64_t number, Bytes& into, std::stop_token inner) {
              fetch(runs_[number], into, inner);
            },
            stop),
        jobs_(kQueuedFrames),
        buffers_(reader.shares_.raw_buffers, [] { return Bytes(); }),
        ordered_(reader.shares_.raw_buffers),
        group_(std::move(stop)) {}

  void run() {
    group_.spawn("split", [this](std::stop_token stop) { split(stop); });
    for (std::size_t i = 0; i < reader_.shares_.threads; ++i) {
      group_.spawn("inflate", [this](std::stop_token stop) { work(stop); });
    }
    group_.spawn("consume", [this](std::stop_token stop) {
      while (auto frame = ordered_.take(stop)) {
        consume_({frame->job.stored, *frame->raw});
      }
    });
    group_.wait();
    if (fetch_failure_) {
      std::rethrow_exception(fetch_failure_);
    }
  }

 private:
  using Fetched = flow::ReadAhead<Bytes>;

  /// A frame that was fetched, with the run that its bytes are in.
  struct Job {
    std::size_t number = 0;
    ByteView stored;
    std::shared_ptr<Fetched::Lease> run;
  };

  struct Done {
    Job job;
    flow::Pool<Bytes>::Lease raw;
  };

  void fetch(const FrameRun& run, Bytes& into, const std::stop_token& stop) const {
    into.resize(static_cast<std::size_t>(run.bytes));
    reader_.store_.read(reader_.object_, run.offset, into, stop);
  }

  /// Takes the runs apart, in order: a thread that has a later frame than another can wait for it.
  void split(const std::stop_token& stop) {
    std::uint64_t frames = 0;
    try {
      for (const FrameRun& run : runs_) {
        const auto bytes = std::make_shared<Fetched::Lease>(*fetched_.next(stop));
        ByteView rest = **bytes;
        for (std::size_t number = run.first; number < run.end; ++number) {
          const std::size_t size = reader_.frames_[number].stored_bytes;
          jobs_.push({number, rest.first(size), bytes}, stop);
          rest = rest.subspan(size);
          ++frames;
        }
      }
    } catch (...) {
      fetch_failure_ = std::current_exception();
    }
    jobs_.finish();
    ordered_.finish(frames);
  }

  void work(const std::stop_token& stop) {
    codec::FrameInflater inflater;
    while (true) {
      // The buffer first: whoever has the frame that the reader waits for can go on.
      auto raw = buffers_.borrow(stop);
      std::optional<Job> job = jobs_.pop(stop);
      if (!job) {
        return;
      }
      check(*job);
      if (inflate_ == Inflate::yes) {
        inflater.inflate(job->stored, reader_.frames_[job->number].raw_bytes, *raw);
      }
      const std::size_t place = job->number - first_;
      ordered_.put(place, {*std::move(job), std::move(raw)}, stop);
    }
  }

  void check(const Job& job) const {
    codec::Sha256 sha256;
    sha256.feed(job.stored);
    if (!std::ranges::equal(sha256.digest(), reader_.frames_[job.number].sha256)) {
      std::uint64_t offset = 0;
      for (std::size_t number = 0; number < job.number; ++number) {
        offset += reader_.frames_[number].stored_bytes;
      }
      throw Error(Side::repository, ErrorKind::corrupt,
                  fmt::format("object {} is damaged: the SHA-256 of frame {} at byte {} differs",
                              reader_.object_, job.number, offset));
    }
  }

  const FrameReader& reader_;
  const std::size_t first_;
  const Inflate inflate_;
  const Consume& consume_;
  const std::vector<FrameRun> runs_;

  Fetched fetched_;
  flow::Channel<Job> jobs_;
  flow::Pool<Bytes> buffers_;
  flow::Sequencer<Done> ordered_;
  std::exception_ptr fetch_failure_;  ///< Read once the group's threads have ended.
  flow::Group group_;                 ///< Last: its threads use all of the above.
};

FrameReader::FrameReader(const store::ObjectStore& store, std::string object,
                         std::vector<codec::Frame> frames, const ReadOptions& options)
    : store_(store),
      object_(std::move(object)),
      frames_(std::move(frames)),
      shares_(share_out(options)) {}

FrameReader::Shares FrameReader::share_out(const ReadOptions& options) const {
  std::uint64_t largest_raw = 1;
  std::uint64_t largest_stored = 1;
  std::uint64_t stored = 0;
  for (const codec::Frame& frame : frames_) {
    largest_raw = std::max<std::uint64_t>(largest_raw, frame.raw_bytes);
    largest_stored = std::max<std::uint64_t>(largest_stored, frame.stored_bytes);
    stored += frame.stored_bytes;
  }
  const std::uint64_t room = options.memory > kBaseMemory ? options.memory - kBaseMemory : 0;
  Shares shares;
  shares.raw_buffers = static_cast<std::size_t>(
      std::clamp<std::uint64_t>(room / 2 / largest_raw, kPassingBuffers + 1,
                                std::max<std::size_t>(options.threads, 1) + kPassingBuffers));
  shares.threads = shares.raw_buffers - kPassingBuffers;

  const std::uint64_t inflated = shares.raw_buffers * largest_raw;
  const std::uint64_t left = room > inflated ? room - inflated : 0;
  const std::size_t connections = std::max<std::size_t>(options.connections, 1);
  // A small object is shared out among the connections, too.
  const std::uint64_t wanted = std::clamp<std::uint64_t>(
      stored / connections, std::min(largest_stored, kFetchBytes), kFetchBytes);
  shares.run_bytes = std::clamp<std::uint64_t>(left / (connections + kPassingRuns), 1, wanted);
  const std::uint64_t run = std::max(shares.run_bytes, largest_stored);
  shares.runs = static_cast<std::size_t>(
      std::clamp<std::uint64_t>(left / run, 2, connections + kPassingRuns));
  shares.connections = std::min(connections, shares.runs - 1);
  return shares;
}

void FrameReader::run(std::size_t first, Inflate inflate, const Consume& consume,
                      std::stop_token stop) const {
  Passage(*this, first, inflate, consume, std::move(stop)).run();
}

}  // namespace keyrewind::restore
