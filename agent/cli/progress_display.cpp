#include "cli/progress_display.h"

#include "base/log.h"
#include "base/size.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <utility>

namespace keyrewind::cli {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kRedraw{200};
constexpr milliseconds kLine{30'000};
constexpr milliseconds kLeastBetweenLines{2'000};
constexpr int kLinePercent = 10;

/// Waits that long, or until the display ends. Returns whether it ended.
bool ended_within(milliseconds time, const std::stop_token& ended) {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  never.wait_for(lock, ended, time, [] { return false; });
  return ended.stop_requested();
}

milliseconds since(steady_clock::time_point start) {
  return std::chrono::duration_cast<milliseconds>(steady_clock::now() - start);
}

std::uint64_t bytes_per_second(std::uint64_t bytes, milliseconds elapsed) {
  return elapsed.count() <= 0 ? 0 : bytes * 1000 / static_cast<std::uint64_t>(elapsed.count());
}

std::string estimate(double fraction, milliseconds elapsed) {
  if (fraction < 0.01) {
    return "eta ?";
  }
  const double left = static_cast<double>(elapsed.count()) * (1.0 - fraction) / fraction;
  return "eta " + to_human(milliseconds(static_cast<std::int64_t>(left)));
}

std::size_t terminal_width() {
  winsize size{};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

}  // namespace

ProgressDisplay::ProgressDisplay(std::string doing, const Progress& progress,
                                 const GlobalOptions& global)
    : doing_(std::move(doing)), progress_(progress), started_(steady_clock::now()) {
  if (global.quiet) {
    return;
  }
  shower_ =
      std::jthread([this, terminal = isatty(STDERR_FILENO) != 0](const std::stop_token& ended) {
        terminal ? show_bar(ended) : show_lines(ended);
      });
}

ProgressDisplay::~ProgressDisplay() = default;

void ProgressDisplay::show_bar(const std::stop_token& ended) {
  while (!ended_within(kRedraw, ended)) {
    std::fputs(
        ("\r\x1b[K" + progress_line(doing_, progress_, since(started_), terminal_width())).c_str(),
        stderr);
    std::fflush(stderr);
  }
  std::fputs("\r\x1b[K", stderr);
  std::fflush(stderr);
}

void ProgressDisplay::show_lines(const std::stop_token& ended) {
  int shown_percent = 0;
  milliseconds shown_at{0};
  while (!ended_within(kRedraw, ended)) {
    const milliseconds elapsed = since(started_);
    const auto fraction = progress_.fraction();
    const int percent = fraction ? static_cast<int>(*fraction * 100) : 0;
    const bool is_news = percent >= shown_percent + kLinePercent && percent < 100;
    if (elapsed - shown_at < (is_news ? kLeastBetweenLines : kLine)) {
      continue;
    }
    shown_at = elapsed;
    shown_percent = percent;
    const std::uint64_t bytes = progress_.bytes;
    log::info("progress", {{"doing", doing_},
                           {"percent", percent},
                           {"bytes", bytes},
                           {"bytes_per_second", bytes_per_second(bytes, elapsed)}});
  }
}

std::string progress_line(const std::string& doing, const Progress& progress, milliseconds elapsed,
                          std::size_t width) {
  const std::uint64_t bytes = progress.bytes;
  const std::string rate = to_human_size(bytes_per_second(bytes, elapsed)) + "/s";
  const auto fraction = progress.fraction();
  if (!fraction) {
    return fmt::format("{}  {}  {}  {}", doing, to_human_size(bytes), rate, to_human(elapsed))
        .substr(0, width);
  }
  const std::string numbers = fmt::format("{:3}%  {}  {}  {}", static_cast<int>(*fraction * 100),
                                          to_human_size(bytes), rate, estimate(*fraction, elapsed));
  constexpr std::size_t kMostBar = 40;
  const std::size_t used = doing.size() + numbers.size() + 7;
  const std::size_t bar = width > used ? std::min(kMostBar, width - used) : 0;
  const auto filled = static_cast<std::size_t>(*fraction * static_cast<double>(bar));
  return fmt::format("{}  [{}{}]  {}", doing, std::string(filled, '#'),
                     std::string(bar - filled, '-'), numbers)
      .substr(0, width);
}

}  // namespace keyrewind::cli
