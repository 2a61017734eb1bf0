#include "config/secret_file.h"

#include "base/bytes.h"
#include "base/error.h"
#include "io/file.h"

#include <fmt/format.h>
#include <string.h>

namespace keyrewind::config {
namespace {

constexpr std::uint64_t kMaxSecretBytes = 64 * 1024;

Secret read_whole(std::string_view option, const std::string& file) {
  try {
    Bytes bytes = io::read_file(file, kMaxSecretBytes, Side::here);
    Secret whole{std::string(as_text(bytes))};
    explicit_bzero(bytes.data(), bytes.size());
    return whole;
  } catch (const Error& error) {
    throw Error(ErrorKind::config, fmt::format("{}: {}", option, error.what()));
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

Secret not_empty(std::string_view option, const std::string& file, std::string_view text) {
  if (text.empty()) {
    throw Error(ErrorKind::config,
                fmt::format("{}: {} is empty; write the secret into it", option, file));
  }
  return Secret{std::string(text)};
}

}  // namespace

Secret read_secret_file(std::string_view option, const std::string& file) {
  const Secret whole = read_whole(option, file);
  return not_empty(option, file, whole.reveal());
}

Secret read_secret_line(std::string_view option, const std::string& file) {
  const Secret whole = read_whole(option, file);
  return not_empty(option, file, without_newline(whole.reveal()));
}

}  // namespace keyrewind::config
