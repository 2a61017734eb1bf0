#include "daemon/notifier.h"

#include "base/bytes.h"
#include "base/error.h"
#include "base/log.h"
#include "flow/pause.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <fstream>
#include <utility>

namespace keyrewind::daemon {
namespace {

using std::chrono::milliseconds;

// In the order of Occasion. They stand in configurations: never rename.
constexpr std::array<std::string_view, 6> kWords{"backup_failed", "gap",        "verify_failed",
                                                 "restored",      "lease_lost", "unhealthy"};

constexpr int kPauseGrowth = 5;

/// Nobody reads an answer; a server that says much is not listened to.
constexpr std::uint64_t kMostAnswer = 64U << 10U;

std::string body_of(const NotifierOptions& options, const NotifierOptions::Webhook& webhook,
                    Occasion occasion, const std::string& message, Timestamp now) {
  const std::string text =
      fmt::format("Keyrewind, {}: {} ({})", options.source, message, to_string(occasion));
  const nlohmann::ordered_json body = webhook.slack
                                          ? nlohmann::ordered_json{{"text", text}}
                                          : nlohmann::ordered_json{{"event", to_string(occasion)},
                                                                   {"source", options.source},
                                                                   {"at", to_rfc3339(now)},
                                                                   {"message", message}};
  // What a server or a store said may be no UTF-8.
  return body.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

/// The first line of the file.
std::string read_url(const std::string& file) {
  std::ifstream in(file);
  std::string line;
  if (!std::getline(in, line)) {
    throw Error(ErrorKind::config, fmt::format("{} holds no URL", file));
  }
  while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) {
    line.pop_back();
  }
  return line;
}

}  // namespace

std::string_view to_string(Occasion occasion) noexcept {
  return kWords[static_cast<std::size_t>(occasion)];
}

Notifier::Notifier(std::function<bool()> healthy, std::function<void(Kind, bool)> sent,
                   const Clock& clock)
    : healthy_(std::move(healthy)), sent_(std::move(sent)), clock_(clock) {}

void Notifier::configure(NotifierOptions options) {
  const std::lock_guard lock(mutex_);
  options_ = std::move(options);
  news_.notify_all();
}

NotifierOptions Notifier::options() const {
  const std::lock_guard lock(mutex_);
  return options_;
}

void Notifier::tell(Occasion occasion, const std::string& message) {
  const std::lock_guard lock(mutex_);
  for (const NotifierOptions::Webhook& webhook : options_.webhooks) {
    const bool is_wanted = webhook.on.empty() ||
                           std::ranges::find(webhook.on, to_string(occasion)) != webhook.on.end();
    if (!is_wanted) {
      continue;
    }
    if (waiting_.size() == kMostWaiting) {
      log::warn("webhook given up; too many wait",
                {{"event", to_string(waiting_.front().occasion)}});
      waiting_.pop_front();
    }
    waiting_.push_back(
        {webhook, occasion, body_of(options_, webhook, occasion, message, clock_.now())});
  }
  news_.notify_all();
}

void Notifier::run_webhooks(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    Message message;
    {
      std::unique_lock lock(mutex_);
      if (!news_.wait(lock, stop, [this] { return !waiting_.empty(); })) {
        return;
      }
      message = std::move(waiting_.front());
      waiting_.pop_front();
    }
    send_until_taken(message, stop);
  }
}

void Notifier::send_until_taken(const Message& message, const std::stop_token& stop) {
  const NotifierOptions now = options();
  milliseconds pause = now.first_pause;
  for (int attempt = 1; !stop.stop_requested(); ++attempt) {
    try {
      const http::Request request{.method = "POST",
                                  .url = {},
                                  .headers = {{"Content-Type", "application/json"}},
                                  .body = as_bytes(message.body)};
      send(message.webhook.place, request, now, stop);
      log::debug("webhook sent", {{"event", to_string(message.occasion)}});
      sent_(Kind::webhook, true);
      return;
    } catch (const Error& error) {
      if (attempt >= now.tries && !stop.stop_requested()) {
        log::warn("webhook given up",
                  {{"event", to_string(message.occasion)}, {"error", error.what()}});
        sent_(Kind::webhook, false);
        return;
      }
    }
    flow::pause(pause, stop);
    pause *= kPauseGrowth;
  }
}

void Notifier::run_heartbeat(const std::stop_token& stop) {
  std::string last_failure;
  while (!stop.stop_requested()) {
    // At first, too: an agent that ends again and again, before it knows anything, is not well.
    flow::pause(options().heartbeat_interval, stop);
    const NotifierOptions now = options();
    if (!stop.stop_requested() && now.heartbeat.given() && healthy_()) {
      try {
        send(now.heartbeat, {}, now, stop);
        last_failure.clear();
        sent_(Kind::heartbeat, true);
      } catch (const Error& error) {
        if (stop.stop_requested()) {
          return;
        }
        sent_(Kind::heartbeat, false);
        if (std::exchange(last_failure, error.what()) != error.what()) {
          log::warn("heartbeat not sent", {{"error", error.what()}});
        }
      }
    }
  }
}

void Notifier::send(const NotifierOptions::Place& place, const http::Request& request,
                    const NotifierOptions& options, const std::stop_token& stop) const {
  // A client for each message: they are rare, and a connection that is kept costs both sides.
  http::Client client({.ca_file = {},
                       .connect_timeout = options.timeout,
                       .stall_timeout = options.timeout,
                       .total_timeout = options.timeout});
  http::Request whole = request;
  whole.url = place.url_file.empty() ? std::string(place.url.reveal()) : read_url(place.url_file);
  whole.max_body = kMostAnswer;
  const http::Response response = client.send(whole, stop);
  if (response.status < 200 || response.status >= 300) {
    throw Error(ErrorKind::failed, fmt::format("the answer was HTTP {}", response.status));
  }
}

}  // namespace keyrewind::daemon
