// The reader of schedules: whatever the bytes, it refuses them in one line, or gives slots that
// follow each other: the next one after a slot comes later, and the last one before that is the
// slot itself.

#include "base/error.h"
#include "policy/cron.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

namespace {

void require(bool holds) {
  if (!holds) {
    std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace keyrewind;

  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const policy::Zone zone("Australia/Lord_Howe");
  try {
    const policy::Cron cron(text);
    require(cron.text() == text);
    Timestamp time{std::chrono::days(20'730)};
    for (int i = 0; i < 4; ++i) {
      const Timestamp next = cron.next_after(time, zone);
      require(next > time);
      require(cron.last_until(next, zone) == next);
      time = next;
    }
  } catch (const Error& error) {
    require(error.kind() == ErrorKind::config);
  }
  return 0;
}
