#include "base/log.h"

#include "base/clock.h"
#include "base/log_scope.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace keyrewind::log {
namespace {

thread_local const Scope* innermost = nullptr;

std::atomic<Format> chosen_format{Format::text};  // A reload may change it while others log.

spdlog::logger& logger() {
  static const std::shared_ptr<spdlog::logger> instance = [] {
    auto made = std::make_shared<spdlog::logger>("keyrewind",
                                                 std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_pattern("%v");
    return made;
  }();
  return *instance;
}

spdlog::level::level_enum to_spdlog(Level level) {
  switch (level) {
    case Level::debug:
      return spdlog::level::debug;
    case Level::info:
      return spdlog::level::info;
    case Level::warn:
      return spdlog::level::warn;
    case Level::error:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

std::string_view name_of(Level level) {
  switch (level) {
    case Level::debug:
      return "debug";
    case Level::info:
      return "info";
    case Level::warn:
      return "warn";
    case Level::error:
      return "error";
  }
  return "info";
}

/// `text` as one word of a log line: quoted, with control characters escaped, where it needs to be.
std::string as_word(const std::string& text) {
  const bool plain = !text.empty() && text.find_first_of(" \"=\\") == std::string::npos &&
                     std::all_of(text.begin(), text.end(), [](char c) { return c > 32; });
  return plain ? text
               : nlohmann::json(text).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
}

std::string text_line(Level level, std::string_view message, const std::vector<Field>& fields) {
  std::string line =
      fmt::format("{} {:<5} {}", to_rfc3339(SystemClock().now()), name_of(level), message);
  for (const Field& field : fields) {
    line += fmt::format(" {}=", field.name);
    std::visit(
        [&](const auto& value) {
          if constexpr (std::is_same_v<std::decay_t<decltype(value)>, std::string>) {
            line += as_word(value);
          } else {
            line += fmt::format("{}", value);
          }
        },
        field.value);
  }
  return line;
}

std::string json_line(Level level, std::string_view message, const std::vector<Field>& fields) {
  nlohmann::ordered_json line = {
      {"time", to_rfc3339(SystemClock().now())}, {"level", name_of(level)}, {"message", message}};
  for (const Field& field : fields) {
    std::visit([&](const auto& value) { line[std::string(field.name)] = value; }, field.value);
  }
  return line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

/// The fields of a line: its own, then those of the scopes that it is in.
std::vector<Field> with_scopes(Fields fields) {
  std::vector<Field> all(fields);
  for (const Scope* scope = innermost; scope != nullptr; scope = scope->outer()) {
    if (std::ranges::find(all, scope->field().name, &Field::name) == all.end()) {
      all.push_back(scope->field());
    }
  }
  return all;
}

void write(Level level, std::string_view message, Fields fields) {
  if (!logger().should_log(to_spdlog(level))) {
    return;
  }
  const std::vector<Field> all = with_scopes(fields);
  logger().log(to_spdlog(level), chosen_format == Format::json ? json_line(level, message, all)
                                                               : text_line(level, message, all));
}

}  // namespace

Scope::Scope(Field field) : field_(std::move(field)), outer_(std::exchange(innermost, this)) {}

Scope::~Scope() {
  innermost = outer_;
}

void configure(Level level, Format format) {
  chosen_format = format;
  logger().set_level(to_spdlog(level));
}

void debug(std::string_view message, Fields fields) {
  write(Level::debug, message, fields);
}

void info(std::string_view message, Fields fields) {
  write(Level::info, message, fields);
}

void warn(std::string_view message, Fields fields) {
  write(Level::warn, message, fields);
}

void error(std::string_view message, Fields fields) {
  write(Level::error, message, fields);
}

}  // namespace keyrewind::log
