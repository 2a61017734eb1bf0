#include "config/source_options.h"

#include "config/password.h"

namespace keyrewind::config {

replica::SourceOptions to_source_options(const Config& config) {
  const auto& tls = config.source.tls;
  replica::SourceOptions options;
  options.address = replica::parse_address(config.source.address);
  options.username = config.source.username;
  options.password = load_password(config);
  options.tls = {.ca_file = tls.ca_file,
                 .cert_file = tls.cert_file,
                 .key_file = tls.key_file,
                 .server_name = tls.server_name};
  return options;
}

}  // namespace keyrewind::config
