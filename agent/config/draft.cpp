#include "config/draft.h"

#include "base/duration.h"
#include "base/error.h"
#include "base/size.h"
#include "config/policy_options.h"
#include "config/rate.h"
#include "config/repository_checks.h"
#include "config/service_options.h"
#include "config/source_options.h"
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

std::string bound_of(const Option& option, std::uint64_t bound) {
  if (option.kind == Kind::size) {
    return to_size(bound);
  }
  if (option.kind == Kind::rate) {
    return to_rate(bound);
  }
  if (option.kind == Kind::percent) {
    return fmt::format("{}%", bound);
  }
  return option.kind == Kind::duration ? to_duration(std::chrono::milliseconds(bound))
                                       : std::to_string(bound);
}

std::string range_of(const Option& option) {
  const bool has_max = option.max != std::numeric_limits<std::uint64_t>::max();
  return has_max ? fmt::format("from {} to {}", bound_of(option, option.min),
                               bound_of(option, option.max))
                 : fmt::format("of at least {}", bound_of(option, option.min));
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

std::uint64_t to_bytes(const Option& option, const Written& written) {
  const auto size = parse_size(written.text);
  const bool is_none = size && *size == 0 && option.zero_is_none;
  if (!size || (!is_none && (*size < option.min || *size > option.max))) {
    refuse(fmt::format("{} must be {}a size {}, such as {}{}", option.path,
                       option.zero_is_none ? "0 or " : "", range_of(option), option.example,
                       but_is(written)));
  }
  return *size;
}

std::uint64_t to_bytes_a_second(const Option& option, const Written& written) {
  const auto rate = parse_rate(written.text);
  if (!rate || (*rate != 0 && (*rate < option.min || *rate > option.max))) {
    refuse(fmt::format("{} must be 0 or a rate {}, such as {}{}", option.path, range_of(option),
                       option.example, but_is(written)));
  }
  return *rate;
}

std::uint64_t to_percent(const Option& option, const Written& written) {
  const auto number =
      written.text.ends_with('%')
          ? parse_integer(std::string_view(written.text).substr(0, written.text.size() - 1))
          : std::nullopt;
  if (!number || *number < option.min || *number > option.max) {
    refuse(fmt::format("{} must be a percentage {}, such as {}{}", option.path, range_of(option),
                       option.example, but_is(written)));
  }
  return *number;
}

std::chrono::milliseconds to_milliseconds(const Option& option, const Written& written) {
  const auto duration = parse_duration(written.text);
  if (!duration || static_cast<std::uint64_t>(duration->count()) < option.min ||
      static_cast<std::uint64_t>(duration->count()) > option.max) {
    refuse(fmt::format("{} must be a duration {}, such as {}{}", option.path, range_of(option),
                       option.example, but_is(written)));
  }
  return *duration;
}

bool to_boolean(const Option& option, const Written& written) {
  if (written.is_quoted && !written.has_variables) {
    refuse(fmt::format("{} must be true or false, without quotes", option.path));
  }
  if (written.text != "true" && written.text != "false") {
    refuse(fmt::format("{} must be true or false{}", option.path, but_is(written)));
  }
  return written.text == "true";
}

/// The entries of a list that is a single text, without the blanks around them.
std::vector<WrittenItem> split(const Written& written, const Place& place) {
  std::vector<WrittenItem> items;
  std::string_view rest = written.text;
  while (!rest.empty()) {
    const auto comma = rest.find(',');
    std::string_view entry = rest.substr(0, comma);
    entry.remove_prefix(std::min(entry.find_first_not_of(' '), entry.size()));
    entry = entry.substr(0, entry.find_last_not_of(' ') + 1);
    Written item = written;
    item.text = entry;
    items.push_back({std::move(item), place});
    rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
  }
  return items;
}

std::size_t to_word(const Option& option, const Written& written) {
  const auto later = option.later_words;
  if (std::find(later.begin(), later.end(), written.text) != later.end()) {
    refuse(fmt::format("{} {} is not available in this version; it has {}", option.path,
                       written.text, fmt::join(option.words, ", ")));
  }
  const auto found = std::find(option.words.begin(), option.words.end(), written.text);
  if (found == option.words.end()) {
    const auto words = option.words.front().empty() ? option.words.subspan(1) : option.words;
    refuse(fmt::format("{} must be one of {}{}{}", option.path, fmt::join(words, ", "),
                       but_is(written),
                       written.has_variables ? "" : did_you_mean(written.text, option.words)));
  }
  return static_cast<std::size_t>(found - option.words.begin());
}

void check_entry(const Option& option, const Written& written) {
  if (written.text.empty()) {
    refuse(fmt::format("{} has an empty entry", option.path));
  }
  check_text(option, written);
}

/// Puts the value into its field, or at the end of its list; throws Error(config) if it is not one
/// for this option.
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
      std::get<IntegerField>(option.field)(config) = to_bytes(option, written);
      return;
    case Kind::duration:
      std::get<DurationField>(option.field)(config) = to_milliseconds(option, written);
      return;
    case Kind::boolean:
      std::get<BooleanField>(option.field)(config) = to_boolean(option, written);
      return;
    case Kind::word:
      std::get<WordField>(option.field).set(config, to_word(option, written));
      return;
    case Kind::percent:
      std::get<IntegerField>(option.field)(config) = to_percent(option, written);
      return;
    case Kind::secret:
      if (option.check != nullptr) {
        check_text(option, written);
      }
      std::get<SecretField>(option.field)(config) = Secret(written.text);
      return;
    case Kind::texts:
      check_entry(option, written);
      std::get<TextsField>(option.field)(config).push_back(written.text);
      return;
    case Kind::rate:
      std::get<IntegerField>(option.field)(config) = to_bytes_a_second(option, written);
      return;
    case Kind::entries:
      refuse(fmt::format("{} must be a list of maps; the options of its first begin with {}__0__",
                         option.path, variable_of(option.path)));
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
  if (option.kind == Kind::texts) {
    set(option, split(written, place), place);
    return;
  }
  mention(option, place);
  std::erase(unsound_, option.path);
  try {
    assign(config_, option, written);
  } catch (const Error& error) {
    unsound_.push_back(option.path);
    add_problem(place, error.what());
  }
}

void Draft::set(const Option& option, const std::vector<WrittenItem>& items, const Place& place) {
  mention(option, place);
  std::erase(unsound_, option.path);
  std::get<TextsField>(option.field)(config_).clear();
  for (const WrittenItem& item : items) {
    try {
      assign(config_, option, item.written);
    } catch (const Error& error) {
      unsound_.push_back(option.path);
      add_problem(item.place, error.what());
    }
  }
}

void Draft::mention(const Option& option, const Place& place) {
  places_[option.path] = place;
  unsound_.push_back(option.path);
}

void Draft::open_section(std::string_view path, const Place& place) {
  sections_.emplace(path, place);
}

void Draft::open_entry(const Option& list, std::size_t index, const Place& place) {
  const auto& field = std::get<EntriesField>(list.field);
  field.resize(config_, std::max(field.count(config_), index + 1));
  open_section(find_section(entry_path(list, index))->path, place);
}

void Draft::finish(const Place& whole, bool wants_version) {
  require_what_is_required(whole, wants_version);
  refuse_two_passwords();
  refuse_user_without_password();
  refuse_half_a_certificate();
  refuse_tls_without_tls();
  refuse_half_a_sentinel();
  refuse_sentinel_beside_this_node();
  refuse_too_small_a_spool();
  refuse_contradictions(contradictions_of_repositories(config_), whole);
  refuse_contradictions(contradictions_of_policies(config_), whole);
  refuse_contradictions(contradictions_of_services(config_), whole);
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
    if (option.kind == Kind::entries) {
      require_of_entries(option, whole);
    } else if (option.path != "version" || wants_version) {
      require(option, whole);
    }
  }
}

void Draft::require_of_entries(const Option& list, const Place& whole) {
  for (std::size_t index = 0; index < std::get<EntriesField>(list.field).count(config_); ++index) {
    for (const Option* option : options_in(entry_path(list, index))) {
      require(*option, whole);
    }
  }
}

void Draft::require(const Option& option, const Place& whole) {
  if (!option.required || places_.contains(option.path)) {
    return;
  }
  const auto section = sections_.find(parent_of(option.path));
  const std::string way_out = option.path == "version"
                                  ? std::string("write 'version: 1'")
                                  : fmt::format("write '{}: {}', or set {}", leaf_of(option.path),
                                                option.example, variable_of(option.path));
  add_problem(section == sections_.end() ? whole : section->second,
              fmt::format("{} is missing; {}", option.path, way_out));
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
  if (transport == Transport::tls || has_tls_sentinel()) {
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

/// Whether a Sentinel is encrypted even if the source is not, or may be: the TLS options are then
/// for that.
bool Draft::has_tls_sentinel() const {
  if (!is_sound("source.sentinel.addresses")) {
    return true;
  }
  const auto& addresses = config_.source.sentinel.addresses;
  return std::any_of(addresses.begin(), addresses.end(), [](const std::string& address) {
    using Transport = replica::Address::Transport;
    return parse_sentinel_address(address, Transport::tcp).transport == Transport::tls;
  });
}

void Draft::refuse_half_a_sentinel() {
  const auto& sentinel = config_.source.sentinel;
  if (sentinel.master.empty() == sentinel.addresses.empty() ||
      !is_sound("source.sentinel.master") || !is_sound("source.sentinel.addresses")) {
    return;
  }
  const std::string_view given =
      sentinel.master.empty() ? "source.sentinel.addresses" : "source.sentinel.master";
  const std::string_view missing =
      sentinel.master.empty() ? "source.sentinel.master" : "source.sentinel.addresses";
  add_problem(place_of(given), fmt::format("{} needs {}", given, missing));
}

void Draft::refuse_sentinel_beside_this_node() {
  const auto& source = config_.source;
  const bool has_sentinel = !source.sentinel.master.empty() && !source.sentinel.addresses.empty();
  if (source.read_from == replica::ReadFrom::this_node && has_sentinel) {
    add_problem(place_of("source.read_from"),
                "source.read_from this_node and source.sentinel contradict each other: this_node "
                "never looks for others; keep one");
  }
}

void Draft::refuse_too_small_a_spool() {
  const auto& log = config_.log;
  if (!is_sound("log.segment_max_size") || !is_sound("log.spool.max_size") ||
      log.spool.max_size / 2 >= log.segment_max_size) {
    return;
  }
  const bool is_spool_given = places_.contains("log.spool.max_size");
  add_problem(place_of(is_spool_given ? "log.spool.max_size" : "log.segment_max_size"),
              fmt::format("log.spool.max_size {} must be at least twice log.segment_max_size {}",
                          to_size(log.spool.max_size), to_size(log.segment_max_size)));
}

void Draft::refuse_contradictions(const std::vector<Contradiction>& all, const Place& whole) {
  for (const Contradiction& found : all) {
    const auto& options = found.options;
    if (std::all_of(options.begin(), options.end(),
                    [&](const std::string& path) { return is_sound(path); })) {
      add_problem(place_to_blame(options, whole), found.message);
    }
  }
}

Place Draft::place_to_blame(const std::vector<std::string>& options, const Place& whole) const {
  for (const std::string& path : options) {
    const auto said = places_.find(path);
    if (said != places_.end()) {
      return said->second;
    }
  }
  const auto section = sections_.find(parent_of(options.front()));
  return section == sections_.end() ? whole : section->second;
}

Place Draft::place_of(std::string_view path) const {
  return places_.at(path);
}

bool Draft::is_sound(std::string_view path) const {
  return std::find(unsound_.begin(), unsound_.end(), path) == unsound_.end();
}

}  // namespace keyrewind::config
