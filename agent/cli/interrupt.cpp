#include "cli/interrupt.h"

#include "base/error.h"

#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <utility>

namespace keyrewind::cli {
namespace {

sigset_t watched_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGHUP);
  return signals;
}

}  // namespace

Interrupt::Interrupt() {
  // A reader that goes away is an error of write(2) like any other.
  signal(SIGPIPE, SIG_IGN);
  const sigset_t signals = watched_signals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  watcher_ = std::jthread([this](const std::stop_token& ended) { watch(ended); });
}

Interrupt::~Interrupt() {
  watcher_.request_stop();
  // Wakes the watcher, which then sees that it is over.
  pthread_kill(watcher_.native_handle(), SIGTERM);
}

void Interrupt::on_hangup(std::function<void()> reload) {
  const std::lock_guard lock(mutex_);
  reload_ = std::move(reload);
}

/// Returns whether somebody wants to know.
bool Interrupt::hang_up() {
  const std::lock_guard lock(mutex_);
  if (reload_) {
    reload_();
  }
  return reload_ != nullptr;
}

void Interrupt::watch(const std::stop_token& ended) {
  const sigset_t signals = watched_signals();
  bool first = true;
  while (true) {
    int number = 0;
    sigwait(&signals, &number);
    if (ended.stop_requested()) {
      return;
    }
    if (number == SIGHUP && hang_up()) {
      continue;
    }
    if (!std::exchange(first, false)) {
      _exit(static_cast<int>(ExitStatus::interrupted));
    }
    stop_.request_stop();
  }
}

}  // namespace keyrewind::cli
