// The reader of configurations: whatever the bytes, it lists mistakes or gives a configuration that
// it reads back unchanged from what `config show` prints.

#include "config/load.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace keyrewind::config;

  const Environment environment{{"NAME", "orders"}, {"EMPTY", ""}, {"NUMBER", "3"}};
  std::vector<Problem> problems;
  Config config = parse(std::string_view(reinterpret_cast<const char*>(data), size), "fuzz.yaml",
                        environment, problems);
  if (!problems.empty()) {
    return 0;
  }

  config.source.password = {};
  config.source.username.clear();
  config.notify.heartbeat_url = {};
  config.notify.webhooks.clear();
  const std::string shown = to_yaml(config);
  const Config again = parse(shown, "shown.yaml", {}, problems);
  if (!problems.empty() || to_yaml(again) != shown) {
    std::abort();
  }
  return 0;
}
