#include "cli/redaction.h"

#include "base/error.h"
#include "config/load.h"
#include "config/options.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <sstream>
#include <variant>

namespace keyrewind::cli {
namespace {

constexpr std::size_t kShortest = 4;
constexpr std::size_t kMostOfAFile = 64U << 10U;

/// Words that the name of a variable has which holds a secret.
constexpr std::array<std::string_view, 6> kSecretWords{"PASSWORD", "SECRET",     "TOKEN",
                                                       "KEY",      "CREDENTIAL", "AUTH"};

bool names_a_secret(std::string_view name) {
  constexpr std::string_view kOurs = "KEYREWIND_";
  std::string capitals(name.starts_with(kOurs) ? name.substr(kOurs.size()) : name);
  std::ranges::transform(capitals, capitals.begin(), [](char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  });
  return std::ranges::any_of(kSecretWords, [&](std::string_view word) {
    return capitals.find(word) != std::string::npos;
  });
}

/// A file that an option names: its lines are secrets, unless they are comments.
void add_file(const std::string& path, Redaction& redaction) {
  std::ifstream file(path);
  std::string content(kMostOfAFile, '\0');
  file.read(content.data(), static_cast<std::streamsize>(content.size()));
  content.resize(static_cast<std::size_t>(file.gcount()));
  std::istringstream lines(content);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("#") && !line.starts_with("-----")) {
      redaction.add(line);
    }
  }
}

void add_option(const config::Option& option, config::Config& config, Redaction& redaction) {
  if (const auto* secret = std::get_if<config::SecretField>(&option.field)) {
    redaction.add((*secret)(config).reveal());
  }
  const auto* text = std::get_if<config::TextField>(&option.field);
  const std::string_view leaf = config::leaf_of(option.path);
  if (text != nullptr && leaf.ends_with("_file") &&
      (names_a_secret(leaf) || leaf == "identity_file" || leaf == "basic_users_file")) {
    add_file((*text)(config), redaction);
  }
}

}  // namespace

Redaction Redaction::of_configuration(const std::optional<std::string>& file) {
  Redaction redaction;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string_view text = *variable;
    const std::size_t equals = text.find('=');
    if (equals != std::string_view::npos && names_a_secret(text.substr(0, equals)) &&
        !text.substr(0, equals).ends_with("_FILE")) {
      redaction.add(text.substr(equals + 1));
    }
  }
  try {
    config::Config config = config::load(file, config::environment_of_process());
    for (const config::Option& option : config::options()) {
      add_option(option, config, redaction);
    }
    for (const config::Option& option : config::entry_options()) {
      add_option(option, config, redaction);
    }
  } catch (const Error&) {
    // Then the bundle says what is wrong with it, by `config check`.
  }
  return redaction;
}

void Redaction::add(std::string_view secret) {
  while (!secret.empty() && (secret.back() == '\n' || secret.back() == '\r')) {
    secret.remove_suffix(1);
  }
  if (secret.size() >= kShortest) {
    secrets_.emplace_back(secret);
    std::ranges::sort(secrets_, std::ranges::greater(), &std::string::size);
  }
}

std::string Redaction::apply(std::string text) const {
  for (const std::string& secret : secrets_) {
    for (std::size_t at = text.find(secret); at != std::string::npos;
         at = text.find(secret, at + 4)) {
      text.replace(at, secret.size(), "****");
    }
  }
  return text;
}

}  // namespace keyrewind::cli
