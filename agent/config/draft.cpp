#include "config/draft.h"

#include "base/error.h"
#include "base/size.h"
#include "config/suggest.h"
#include "replica/address.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <tuple>
#include <utility>

namespace keyrewind::config {
namespace {

constexpr std::array<std::string_view, 4> kTlsOptions{
    "source.tls.ca_file", "source.tls.cert_file", "source.tls.key_file", "source.tls.server_name"};

/// The end of "… must be a whole number": what was found there instead.
std::string but_is(const Written& written) {
  return written.has_variables
             ? fmt::format(", which the value of {} is not", in_quotes(written.shown))
             : fmt::format(", not {}", in_quotes(written.shown));
}

[[noreturn]] void refuse(std::string message) {
  throw Error(ErrorKind::config, std::move(message));
}

/// `message` without what a variable holds: that may be a secret which does not belong there, such
/// as a password within a URL.
std::string hide_variables(const std::string& message, const Written& written) {
  if (!written.has_variables || message.find(written.text) == std::string::npos) {
    return message;
  }
  return fmt::format("the value of {} is not accepted; it is not shown, as variables may be secret",
                     in_quotes(written.shown));
}

/// Puts the option's path in front, unless the message names it already.
std::string about(const Option& option, const std::string& message) {
  return message.starts_with(option.path) ? message : fmt::format("{}: {}", option.path, message);
}

std::string range_of(const Option& option) {
  const bool has_max = option.max != std::numeric_limits<std::uint64_t>::max();
  if (option.kind == Kind::size) {
    return has_max ? fmt::format("from {} to {}", to_size(option.min), to_size(option.max))
                   : fmt::format("of at least {}", to_size(option.min));
  }
  return has_max ? fmt::format("from {} to {}", option.min, option.max)
                 : fmt::format("of at least {}", option.min);
}

/// Decimal digits without a sign or leading zeros: with those, YAML versions disagree on what a
/// number means.
std::optional<std::uint64_t> parse_integer(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool is_whole = failure == std::errc() && end == text.data() + text.size();
  const bool has_leading_zero = text.size() > 1 && text.front() == '0';
  return is_whole && !has_leading_zero ? std::optional(number) : std::nullopt;
}

bool has_control_character(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7f;
  });
}

void check_text(const Option& option, const Written& written) {
  const std::string& text = written.text;
  if (option.required && text.empty()) {
    refuse(fmt::format("{} must not be empty", option.path));
  }
  if (has_control_character(text)) {
    refuse(fmt::format("{} must not contain line breaks or other control characters{}", option.path,
                       written.has_variables ? but_is(written) : std::string()));
  }
  if (option.is_valid != nullptr && !option.is_valid(text)) {
    refuse(fmt::format("{} must be {}{}", option.path, option.pattern_in_words, but_is(written)));
  }
  if (option.check != nullptr) {
    try {
      option.check(text);
    } catch (const Error& error) {
      refuse(about(option, hide_variables(error.what(), written)));
    }
  }
}

std::uint64_t to_integer(const Option& option, const Written& written) {
  const std::string wanted =
      option.min == option.max
          ? fmt::format("{} must be {}", option.path, option.min)
          : fmt::format("{} must be a whole number {}", option.path, range_of(option));
  if (written.is_quoted && !written.has_variables) {
    refuse(fmt::format("{}, without quotes", wanted));
  }
  const auto number = parse_integer(written.text);
  if (!number || *number < option.min || *number > option.max) {
    refuse(wanted + but_is(written));
  }
  return *number;
}

std::uint64_t to_size(const Option& option, const Written& written) {
  const auto size = parse_size(written.text);
  if (!size || *size < option.min || *size > option.max) {
    refuse(fmt::format("{} must be a size {}, such as {}{}", option.path, range_of(option),
                       option.example, but_is(written)));
  }
  return *size;
}

std::size_t to_word(const Option& option, const Written& written) {
  const auto found = std::find(option.words.begin(), option.words.end(), written.text);
  if (found == option.words.end()) {
    refuse(fmt::format("{} must be one of {}{}{}", option.path, fmt::join(option.words, ", "),
                       but_is(written),
                       written.has_variables ? "" : did_you_mean(written.text, option.words)));
  }
  return static_cast<std::size_t>(found - option.words.begin());
}

/// Puts the value into its field; throws Error(config) if it is not one for this option.
void assign(Config& config, const Option& option, const Written& written) {
  switch (option.kind) {
    case Kind::text:
      check_text(option, written);
      std::get<TextField>(option.field)(config) = written.text;
      return;
    case Kind::integer:
      std::get<IntegerField>(option.field)(config) = to_integer(option, written);
      return;
    case Kind::size:
      std::get<IntegerField>(option.field)(config) = to_size(option, written);
      return;
    case Kind::word:
      std::get<WordField>(option.field).set(config, to_word(option, written));
      return;
    case Kind::secret:
      std::get<SecretField>(option.field)(config) = Secret(written.text);
      return;
  }
}

}  // namespace

std::string Place::text() const {
  return line == 0 ? source : fmt::format("{}:{}:{}", source, line, column);
}

void Draft::add_problem(const Place& place, std::string message) {
  mistakes_.push_back({place, std::move(message)});
}

void Draft::set(const Option& option, const Written& written, const Place& place) {
  mention(option, place);
  std::erase(unsound_, option.path);
  try {
    assign(config_, option, written);
  } catch (const Error& error) {
    unsound_.push_back(option.path);
    add_problem(place, error.what());
  }
}

void Draft::mention(const Option& option, const Place& place) {
  places_[option.path] = place;
  unsound_.push_back(option.path);
}

void Draft::open_section(std::string_view path, const Place& place) {
  sections_.emplace(path, place);
}

void Draft::finish(const Place& whole, bool wants_version) {
  require_what_is_required(whole, wants_version);
  refuse_two_passwords();
  refuse_user_without_password();
  refuse_half_a_certificate();
  refuse_tls_without_tls();
}

std::vector<Draft::Mistake> Draft::mistakes() const {
  std::vector<Mistake> sorted = mistakes_;
  std::stable_sort(sorted.begin(), sorted.end(), [](const Mistake& left, const Mistake& right) {
    const auto key = [](const Place& place) {
      return std::tuple(place.line == 0, place.line, place.column);
    };
    return key(left.place) < key(right.place);
  });
  return sorted;
}

void Draft::require_what_is_required(const Place& whole, bool wants_version) {
  for (const Option& option : options()) {
    const bool is_version = option.path == "version";
    if (!option.required || places_.contains(option.path) || (is_version && !wants_version)) {
      continue;
    }
    const auto section = sections_.find(parent_of(option.path));
    const std::string way_out = is_version
                                    ? std::string("write 'version: 1'")
                                    : fmt::format("write '{}: {}', or set {}", leaf_of(option.path),
                                                  option.example, variable_of(option.path));
    add_problem(section == sections_.end() ? whole : section->second,
                fmt::format("{} is missing; {}", option.path, way_out));
  }
}

void Draft::refuse_two_passwords() {
  if (!config_.source.password.empty() && !config_.source.password_file.empty()) {
    add_problem(place_of("source.password"),
                "source.password and source.password_file contradict each other; keep one");
  }
}

void Draft::refuse_user_without_password() {
  const bool has_password = !config_.source.password.empty() ||
                            !config_.source.password_file.empty() || !is_sound("source.password") ||
                            !is_sound("source.password_file");
  if (!config_.source.username.empty() && !has_password) {
    add_problem(place_of("source.username"),
                "source.username needs a password to log in with; set source.password_file");
  }
}

void Draft::refuse_half_a_certificate() {
  const auto& tls = config_.source.tls;
  if (tls.cert_file.empty() == tls.key_file.empty() || !is_sound("source.tls.cert_file") ||
      !is_sound("source.tls.key_file")) {
    return;
  }
  const std::string_view given =
      tls.cert_file.empty() ? "source.tls.key_file" : "source.tls.cert_file";
  const std::string_view missing =
      tls.cert_file.empty() ? "source.tls.cert_file" : "source.tls.key_file";
  add_problem(place_of(given), fmt::format("{} needs {}", given, missing));
}

void Draft::refuse_tls_without_tls() {
  using Transport = replica::Address::Transport;
  if (config_.source.address.empty() || !is_sound("source.address")) {
    return;
  }
  const auto transport = replica::parse_address(config_.source.address).transport;
  if (transport == Transport::tls) {
    return;
  }
  for (const std::string_view path : kTlsOptions) {
    if (std::get<TextField>(find_option(path)->field)(config_).empty()) {
      continue;
    }
    add_problem(place_of(path),
                transport == Transport::unix
                    ? fmt::format("{} contradicts source.address: a Unix socket has no TLS", path)
                    : fmt::format("{} contradicts source.address, which is not encrypted; begin "
                                  "the address with valkeys:// or rediss://",
                                  path));
  }
}

Place Draft::place_of(std::string_view path) const {
  return places_.at(path);
}

bool Draft::is_sound(std::string_view path) const {
  return std::find(unsound_.begin(), unsound_.end(), path) == unsound_.end();
}

}  // namespace keyrewind::config
