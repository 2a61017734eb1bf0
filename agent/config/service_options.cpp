#include "config/service_options.h"

#include "base/error.h"
#include "config/suggest.h"
#include "http/listen.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/un.h>

#include <algorithm>

namespace keyrewind::config {
namespace {

// In the order of Config::Http::Anonymous.
constexpr std::array<std::string_view, 2> kAnonymous{"read", "none"};
// In the order of Config::Webhook::Format.
constexpr std::array<std::string_view, 2> kFormats{"json", "slack"};

void check_listen(const std::string& text) {
  if (!text.empty()) {
    http::parse_listen_address(text);
  }
}

void check_socket(const std::string& text) {
  if (!text.empty() && !text.starts_with('/')) {
    throw Error(ErrorKind::config, fmt::format("'{}' is not an absolute path", text));
  }
  constexpr std::size_t kMaxPath = sizeof(sockaddr_un::sun_path) - 1;
  if (text.size() > kMaxPath) {
    throw Error(ErrorKind::config, fmt::format("the path of a Unix socket has at most {} bytes, "
                                               "and this one has {}",
                                               kMaxPath, text.size()));
  }
}

/// Its messages never have the URL: chat services put their secret into the path.
void check_web_url(const std::string& text) {
  constexpr std::array<std::string_view, 2> kSchemes{"http://", "https://"};
  const bool has_host = std::any_of(kSchemes.begin(), kSchemes.end(), [&](std::string_view scheme) {
    const bool is_it = text.starts_with(scheme) && text.size() > scheme.size();
    return is_it && text[scheme.size()] != '/' && text[scheme.size()] != ':';
  });
  if (!text.empty() && (!has_host || text.find(' ') != std::string::npos)) {
    throw Error(ErrorKind::config,
                "must begin with https:// or http:// and a host; the value is not shown, as it "
                "may be secret");
  }
}

void check_event(const std::string& text) {
  const bool is_known =
      std::find(kWebhookEvents.begin(), kWebhookEvents.end(), text) != kWebhookEvents.end();
  if (!is_known) {
    throw Error(
        ErrorKind::config,
        fmt::format("{} is nothing that a webhook is told of; those are: {}{}", in_quotes(text),
                    fmt::join(kWebhookEvents, ", "), did_you_mean(text, kWebhookEvents)));
  }
}

/// A field of the webhook at `index`, which is made if it is not there.
template <typename Value>
std::function<Value&(Config&)> field_of_webhook(std::size_t index, Value Config::Webhook::*member) {
  return [index, member](Config& config) -> Value& {
    auto& webhooks = config.notify.webhooks;
    if (webhooks.size() <= index) {
      webhooks.resize(index + 1);
    }
    return webhooks[index].*member;
  };
}

void refuse_half_a_certificate(const Config::Http& http, std::vector<Contradiction>& found) {
  const std::string cert = "http.tls.cert_file";
  const std::string key = "http.tls.key_file";
  if (http.tls.cert_file.empty() != http.tls.key_file.empty()) {
    const bool lacks_key = http.tls.key_file.empty();
    found.push_back({lacks_key ? std::vector{cert, key} : std::vector{key, cert},
                     fmt::format("{} needs {}", lacks_key ? cert : key, lacks_key ? key : cert)});
  } else if (http.listen.empty() && !http.tls.cert_file.empty()) {
    found.push_back(
        {{cert, "http.listen"},
         fmt::format("{} contradicts http.listen, which is empty: TLS is for the port", cert)});
  }
}

void refuse_to_let_nobody_in(const Config::Http& http, std::vector<Contradiction>& found) {
  const bool has_credentials =
      !http.auth.bearer_token_file.empty() || !http.auth.basic_users_file.empty();
  if (http.auth.anonymous == Config::Http::Anonymous::none && !has_credentials) {
    found.push_back(
        {{"http.auth.anonymous", "http.auth.bearer_token_file", "http.auth.basic_users_file"},
         "http.auth.anonymous none needs http.auth.bearer_token_file or "
         "http.auth.basic_users_file; without, nobody could ask anything"});
  }
}

void refuse_unclear_webhooks(const Config& config, std::vector<Contradiction>& found) {
  const auto& webhooks = config.notify.webhooks;
  for (std::size_t index = 0; index < webhooks.size(); ++index) {
    const std::string path = fmt::format("notify.webhooks.{}", index);
    const std::string url = path + ".url";
    const std::string file = path + ".url_file";
    const bool has_url = !webhooks[index].url.empty();
    const bool has_file = !webhooks[index].url_file.empty();
    if (has_url && has_file) {
      found.push_back(
          {{url, file}, fmt::format("{} and {} contradict each other; keep one", url, file)});
    } else if (!has_url && !has_file) {
      found.push_back({{url, file}, fmt::format("{} needs a url or a url_file", path)});
    }
  }
}

}  // namespace

std::vector<Option> http_options() {
  return {
      {.path = "http.listen",
       .kind = Kind::text,
       .field = +[](Config& c) -> std::string& { return c.http.listen; },
       .description =
           "Where the agent answers metrics, health and the API: HOST:PORT, with 0.0.0.0 or [::] "
           "for every interface. Port 0 is any that is free, which the log then says. Empty: no "
           "port at all.",
       .example = "127.0.0.1:8379",
       .check = check_listen},
      {.path = "http.socket",
       .kind = Kind::text,
       .field = +[](Config& c) -> std::string& { return c.http.socket; },
       .description =
           "The Unix socket on which the agent answers the same, and which commands on this "
           "machine use first. Whoever may open it may do everything. Empty: none.",
       .example = "/data/keyrewind/keyrewind.sock",
       .check = check_socket},

      {.path = "http.tls.cert_file",
       .kind = Kind::text,
       .field = +[](Config& c) -> std::string& { return c.http.tls.cert_file; },
       .description =
           "The agent's certificate with its chain, as PEM; it is read again when it changes. It "
           "needs key_file. Empty: no TLS.",
       .example = "/tls/tls.crt"},
      {.path = "http.tls.key_file",
       .kind = Kind::text,
       .field = +[](Config& c) -> std::string& { return c.http.tls.key_file; },
       .description = "The private key of cert_file.",
       .example = "/tls/tls.key"},

      {.path = "http.auth.bearer_token_file",
       .kind = Kind::text,
       .field = +[](Config& c) -> std::string& { return c.http.auth.bearer_token_file; },
       .description =
           "File that holds the token which whoever sends it as a bearer may change things with. "
           "It is read again when it changes.",
       .example = "/run/secrets/keyrewind/token"},
      {.path = "http.auth.basic_users_file",
       .kind = Kind::text,
       .field = +[](Config& c) -> std::string& { return c.http.auth.basic_users_file; },
       .description =
           "File of users who may change things, as htpasswd -B writes it: NAME:BCRYPT-HASH, one a "
           "line. It is read again when it changes.",
       .example = "/run/secrets/keyrewind/users"},
      {.path = "http.auth.anonymous",
       .kind = Kind::word,
       .field = WordField{[](Config& c) { return static_cast<std::size_t>(c.http.auth.anonymous); },
                          [](Config& c, std::size_t word) {
                            c.http.auth.anonymous = static_cast<Config::Http::Anonymous>(word);
                          }},
       .description =
           "What is allowed on the port without token or user: read everything but secrets, or "
           "none, which leaves health alone.",
       .example = "none",
       .words = kAnonymous},
  };
}

std::vector<Option> notify_options() {
  return {
      {.path = "notify.heartbeat_url",
       .kind = Kind::secret,
       .field = +[](Config& c) -> Secret& { return c.notify.heartbeat_url; },
       .description =
           "A URL that the agent asks for every minute while it is healthy, warnings aside, and "
           "only "
           "then: whatever watches that notices everything else. It is shown nowhere. Empty: none.",
       .example = "https://hc-ping.example.com/8f1c0c3e",
       .may_be_literal = true,
       .check = check_web_url},
      {.path = "notify.heartbeat_url_file",
       .kind = Kind::text,
       .field = +[](Config& c) -> std::string& { return c.notify.heartbeat_url_file; },
       .description = "File that holds the URL, instead of heartbeat_url.",
       .example = "/run/secrets/keyrewind/heartbeat"},
      {.path = "notify.webhooks",
       .kind = Kind::entries,
       .field = EntriesField{[](const Config& c) { return c.notify.webhooks.size(); },
                             [](Config& c, std::size_t n) { c.notify.webhooks.resize(n); }},
       .description =
           "Who is told what happened, by a POST of JSON: each has a url or a url_file, and on, a "
           "list of what it wants to know. The variables of the first begin with "
           "KEYREWIND_NOTIFY__WEBHOOKS__0__.",
       .example =
           R"([{"url_file": "/run/secrets/keyrewind/chat", "on": ["backup_failed", "gap"]}])"},
  };
}

std::vector<Option> webhook_options(std::size_t index) {
  const auto path = [&](std::string_view leaf) {
    return fmt::format("notify.webhooks.{}.{}", index, leaf);
  };
  const auto format = field_of_webhook(index, &Config::Webhook::format);
  return {
      {.path = path("url"),
       .kind = Kind::secret,
       .field = field_of_webhook(index, &Config::Webhook::url),
       .description = "Where to. It is shown nowhere.",
       .example = "https://chat.example.com/hooks/1234",
       .may_be_literal = true,
       .check = check_web_url},
      {.path = path("url_file"),
       .kind = Kind::text,
       .field = field_of_webhook(index, &Config::Webhook::url_file),
       .description = "File that holds the URL, instead of url. It is read each time.",
       .example = "/run/secrets/keyrewind/chat"},
      {.path = path("on"),
       .kind = Kind::texts,
       .field = field_of_webhook(index, &Config::Webhook::on),
       .description =
           "What it is told of: backup_failed, gap, verify_failed, restored, lease_lost, "
           "unhealthy. Empty: all of that. In a variable they are separated by commas.",
       .example = "backup_failed",
       .check = check_event},
      {.path = path("format"),
       .kind = Kind::word,
       .field = WordField{[format](Config& c) { return static_cast<std::size_t>(format(c)); },
                          [format](Config& c, std::size_t word) {
                            format(c) = static_cast<Config::Webhook::Format>(word);
                          }},
       .description =
           "What is sent: json, an object of ours, or slack, one that chat services read.",
       .example = "slack",
       .words = kFormats},
  };
}

std::vector<Contradiction> contradictions_of_services(const Config& config) {
  std::vector<Contradiction> found;
  refuse_half_a_certificate(config.http, found);
  refuse_to_let_nobody_in(config.http, found);
  if (!config.notify.heartbeat_url.empty() && !config.notify.heartbeat_url_file.empty()) {
    found.push_back({{"notify.heartbeat_url", "notify.heartbeat_url_file"},
                     "notify.heartbeat_url and notify.heartbeat_url_file contradict each other; "
                     "keep one"});
  }
  refuse_unclear_webhooks(config, found);
  return found;
}

}  // namespace keyrewind::config
