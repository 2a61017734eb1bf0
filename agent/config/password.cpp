#include "config/password.h"

#include "base/bytes.h"
#include "base/error.h"
#include "io/file.h"

#include <fmt/format.h>
#include <string.h>

namespace keyrewind::config {
namespace {

constexpr std::uint64_t kMaxPasswordBytes = 64 * 1024;

Bytes read_or_throw(const std::string& file) {
  try {
    return io::read_file(file, kMaxPasswordBytes, Side::here);
  } catch (const Error& error) {
    throw Error(ErrorKind::config, fmt::format("source.password_file: {}", error.what()));
  }
}

std::string_view without_newline(std::string_view text) {
  if (text.ends_with('\n')) {
    text.remove_suffix(1);
  }
  if (text.ends_with('\r')) {
    text.remove_suffix(1);
  }
  return text;
}

}  // namespace

Secret load_password(const Config& config) {
  if (!config.source.password.empty() || config.source.password_file.empty()) {
    return config.source.password;
  }
  Bytes bytes = read_or_throw(config.source.password_file);
  Secret password{std::string(without_newline(as_text(bytes)))};
  explicit_bzero(bytes.data(), bytes.size());
  if (password.empty()) {
    throw Error(ErrorKind::config, fmt::format("source.password_file: {} is empty; write the "
                                               "password into it",
                                               config.source.password_file));
  }
  return password;
}

}  // namespace keyrewind::config
