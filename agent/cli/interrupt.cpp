#include "cli/interrupt.h"

#include "base/error.h"

#include <signal.h>
#include <time.h>
#include <unistd.h>

namespace keyrewind::cli {
namespace {

sigset_t watched_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
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

void Interrupt::watch(const std::stop_token& ended) {
  const sigset_t signals = watched_signals();
  for (bool first = true;; first = false) {
    int number = 0;
    sigwait(&signals, &number);
    if (ended.stop_requested()) {
      return;
    }
    if (!first) {
      _exit(static_cast<int>(ExitStatus::interrupted));
    }
    stop_.request_stop();
  }
}

}  // namespace keyrewind::cli
