#include "config/password.h"

#include "config/secret_file.h"

namespace keyrewind::config {

Secret load_password(const Config& config) {
  const auto& source = config.source;
  if (!source.password.empty() || source.password_file.empty()) {
    return source.password;
  }
  return read_secret_line("source.password_file", source.password_file);
}

}  // namespace keyrewind::config
