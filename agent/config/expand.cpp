#include "config/expand.h"

#include "base/error.h"
#include "config/suggest.h"

#include <fmt/format.h>

#include <algorithm>

namespace keyrewind::config {
namespace {

bool is_variable_name(std::string_view name) {
  const auto is_letter = [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
  };
  const auto is_letter_or_digit = [&](char c) { return is_letter(c) || (c >= '0' && c <= '9'); };
  return !name.empty() && is_letter(name.front()) &&
         std::all_of(name.begin(), name.end(), is_letter_or_digit);
}

/// The value of what stands between the braces of `${…}`.
std::string value_of(std::string_view inside, const Environment& environment) {
  const std::size_t colon = std::min(inside.find(':'), inside.size());
  const std::string name(inside.substr(0, colon));
  const std::string_view rest = inside.substr(colon);
  const std::string_view operation = rest.substr(0, 2);
  const std::string_view argument = rest.substr(operation.size());
  const bool well_formed = rest.empty() || operation == ":-" || operation == ":?";
  if (!is_variable_name(name) || !well_formed) {
    throw Error(ErrorKind::config,
                fmt::format("{} is not a variable; write ${{NAME}}, ${{NAME:-default}} or "
                            "${{NAME:?message}}, and $$ for a dollar sign",
                            in_quotes(fmt::format("${{{}}}", inside))));
  }
  if (argument.find("${") != std::string_view::npos) {
    throw Error(
        ErrorKind::config,
        fmt::format("the default of ${{{}}} contains a variable, which is not possible", name));
  }

  const auto found = environment.find(name);
  const bool is_set = found != environment.end();
  if (is_set && (operation.empty() || !found->second.empty())) {
    return found->second;
  }
  if (operation == ":-") {
    return std::string(argument);
  }
  const std::string reason = argument.empty() ? "" : fmt::format(": {}", in_quotes(argument));
  throw Error(
      ErrorKind::config,
      fmt::format("the variable {} is {}{}; set it, or give a default with ${{{}:-default}}", name,
                  is_set ? "empty" : "not set", reason, name));
}

}  // namespace

Expanded expand(std::string_view text, const Environment& environment) {
  Expanded result;
  while (!text.empty()) {
    const std::size_t dollar = std::min(text.find('$'), text.size());
    result.text += text.substr(0, dollar);
    text.remove_prefix(dollar);
    if (text.starts_with("$$")) {
      result.text += '$';
      text.remove_prefix(2);
    } else if (text.starts_with("${")) {
      const std::size_t brace = text.find('}');
      if (brace == std::string_view::npos) {
        throw Error(ErrorKind::config,
                    "a variable begins with ${ but has no }; write $${ for these characters "
                    "themselves");
      }
      result.text += value_of(text.substr(2, brace - 2), environment);
      result.has_variables = true;
      text.remove_prefix(brace + 1);
    } else if (!text.empty()) {
      result.text += '$';
      text.remove_prefix(1);
    }
  }
  return result;
}

}  // namespace keyrewind::config
