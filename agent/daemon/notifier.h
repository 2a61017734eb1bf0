#pragma once

#include "base/clock.h"
#include "base/secret.h"
#include "http/client.h"

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace keyrewind::daemon {

/// What somebody may want to be told of. Its word stands in configurations and messages.
enum class Occasion { backup_failed, gap, verify_failed, restored, lease_lost, unhealthy };
std::string_view to_string(Occasion occasion) noexcept;

/// Whom to tell what.
struct NotifierOptions {
  /// An address that is a secret as a whole: from the configuration, or read at each use.
  struct Place {
    Secret url{};
    std::string url_file{};

    bool given() const { return !url.reveal().empty() || !url_file.empty(); }
  };
  struct Webhook {
    Place place{};
    std::vector<std::string> on{};  ///< Words of occasions; none: all.
    bool slack = false;             ///< The body that Slack reads, in place of ours.
  };

  std::string source{};
  Place heartbeat{};
  std::vector<Webhook> webhooks{};
  std::chrono::milliseconds heartbeat_interval{60000};
  std::chrono::milliseconds first_pause{1000};  ///< Before a second try; five times that before …
  int tries = 4;                                ///< … the next, and so on.
  std::chrono::milliseconds timeout{10000};     ///< Of one try.
};

/// Tells people and their machines what happened: webhooks, and a heartbeat as long as all is well.
/// Nobody ever waits for it; what cannot be told within some tries is given up and logged. Neither
/// logs nor errors hold more of an address than its host.
class Notifier {
 public:
  enum class Kind { webhook, heartbeat };

  /// `healthy` says whether to send the heartbeat; `sent` hears of each message, in the notifier's
  /// threads. `clock` must outlive the notifier.
  Notifier(std::function<bool()> healthy, std::function<void(Kind, bool succeeded)> sent,
           const Clock& clock);

  /// From now on. Any thread.
  void configure(NotifierOptions options);

  /// Returns at once. Any thread.
  void tell(Occasion occasion, const std::string& message);

  /// Tell for ever, each in a thread of its own.
  void run_webhooks(const std::stop_token& stop);
  void run_heartbeat(const std::stop_token& stop);

 private:
  /// More wait only if nothing has been told for long; then the oldest go.
  static constexpr std::size_t kMostWaiting = 100;

  struct Message {
    NotifierOptions::Webhook webhook;
    Occasion occasion = Occasion::unhealthy;
    std::string body;
  };

  NotifierOptions options() const;
  void send_until_taken(const Message& message, const std::stop_token& stop);
  void send(const NotifierOptions::Place& place, const http::Request& request,
            const NotifierOptions& options, const std::stop_token& stop) const;

  const std::function<bool()> healthy_;
  const std::function<void(Kind, bool)> sent_;
  const Clock& clock_;

  mutable std::mutex mutex_;  ///< Guards what follows.
  std::condition_variable_any news_;
  NotifierOptions options_;
  std::deque<Message> waiting_;
};

}  // namespace keyrewind::daemon
