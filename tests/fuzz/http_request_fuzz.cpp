#include "api/base64.h"
#include "http/request_target.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

/// What a client sends and we read ourselves: targets and base64.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto target = keyrewind::http::parse_request_target(text)) {
    for (const std::string& segment : target->segments) {
      // What the parser is for: nothing that leads out of where it stands.
      if (segment.empty() || segment == "." || segment == ".." ||
          segment.find_first_of(std::string_view("/\\\0", 3)) != std::string::npos) {
        std::abort();
      }
    }
  }
  static_cast<void>(keyrewind::api::from_base64(text));
  return 0;
}
