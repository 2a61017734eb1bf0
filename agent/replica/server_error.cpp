#include "replica/connection.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace keyrewind::replica {

namespace {

constexpr std::size_t kMaxVerbatim = 200;

std::string in_lower_case(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char letter) { return static_cast<char>(std::tolower(letter)); });
  return lower;
}

bool is_printable(char letter) {
  return letter >= ' ' && letter <= '~';
}

/// The rule for a user who may lack more than `doing`: one error at a time is tiresome.
std::string rule_to_grant(std::string_view doing) {
  return doing == "INFO" ? "+psync +replconf +info" : acl_rule(doing);
}

Error unavailable(std::string message) {
  return {Side::source, ErrorKind::unavailable, std::move(message)};
}

Error denied(std::string message) {
  return {Side::source, ErrorKind::denied, std::move(message)};
}

}  // namespace

std::string user_name(const SourceOptions& options) {
  return options.username.empty() ? "default" : options.username;
}

std::string acl_rule(std::string_view doing) {
  if (doing == "PSYNC" || doing == "REPLCONF") {
    return "+psync +replconf";
  }
  std::string rule = fmt::format("+{}", in_lower_case(doing));
  std::replace(rule.begin(), rule.end(), ' ', '|');
  return rule;
}

std::string printable(const SourceOptions& options, std::string text, std::size_t max_bytes) {
  const std::string_view password = options.password.reveal();
  for (std::size_t at = 0;
       !password.empty() && (at = text.find(password, at)) != std::string::npos;) {
    text.replace(at, password.size(), "****");
    at += 4;
  }
  const bool is_cut = text.size() > max_bytes;
  text.resize(std::min(text.size(), max_bytes));
  while (!is_cut && (text.ends_with('\n') || text.ends_with('\r'))) {
    text.pop_back();
  }
  std::replace_if(
      text.begin(), text.end(), [](char letter) { return !is_printable(letter); }, '.');
  return is_cut ? text + "…" : text;
}

Error server_error(const SourceOptions& options, std::string_view doing, const std::string& reply) {
  const std::string peer = to_string(options.address);
  const auto begins = [&](std::string_view start) { return reply.starts_with(start); };

  if (begins("NOAUTH")) {
    return denied(fmt::format("{} wants a password; set source.password_file", peer));
  }
  if (begins("WRONGPASS")) {
    return denied(fmt::format(
        "{} refused the password of user '{}'; check source.username and source.password_file",
        peer, user_name(options)));
  }
  if (begins("NOPERM")) {
    return denied(fmt::format("user '{0}' may not run {1} at {2}; run: ACL SETUSER {0} {3}",
                              user_name(options), doing, peer, rule_to_grant(doing)));
  }
  if (begins("DENIED")) {
    return denied(fmt::format(
        "{} is in protected mode and takes local connections only; give it a password", peer));
  }
  if (begins("READONLY")) {
    return denied(
        fmt::format("{} is a read-only replica and refuses {}; use another node", peer, doing));
  }
  if (begins("LOADING")) {
    return unavailable(fmt::format("{} is still loading its dataset; try again when it has", peer));
  }
  if (begins("NOMASTERLINK") && reply.find("failing over") != std::string::npos) {
    return unavailable(fmt::format("{} is failing over; try again when it has", peer));
  }
  if (begins("NOMASTERLINK")) {
    return unavailable(fmt::format(
        "{} is a replica without a link to its primary; wait until it has one, or use another node",
        peer));
  }
  if (begins("MASTERDOWN")) {
    return unavailable(
        fmt::format("{} is a replica that lost its primary and serves no stale data; "
                    "wait until it has one, or use another node",
                    peer));
  }
  if (begins("BUSY")) {
    return unavailable(
        fmt::format("{} is busy with a script; try again when that has ended", peer));
  }
  if (begins("ERR BGSAVE failed")) {
    return unavailable(fmt::format(
        "{} could not start to save; its log says why (often too little memory to fork)", peer));
  }
  if (begins("ERR max number of clients")) {
    return unavailable(
        fmt::format("{} takes no more connections; raise its maxclients or close some", peer));
  }
  if (begins("ERR unknown command") && doing == "HELLO") {
    return {Side::source, ErrorKind::incompatible,
            fmt::format("{} is too old; Redis 7.0 or Valkey 7.2 is needed", peer)};
  }
  if (begins("ERR unknown command")) {
    return denied(
        fmt::format("{} does not offer {}; some managed services and rename-command "
                    "switch it off",
                    peer, doing));
  }
  return {Side::source, ErrorKind::protocol,
          fmt::format("{} answered {} with \"{}\"", peer, doing,
                      printable(options, reply, kMaxVerbatim))};
}

}  // namespace keyrewind::replica
