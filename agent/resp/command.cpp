#include "resp/command.h"

#include <hiredis/hiredis.h>

#include <memory>
#include <new>
#include <vector>

namespace keyrewind::resp {

namespace {

struct FreeCommand {
  void operator()(char* command) const noexcept { redisFreeCommand(command); }
};

}  // namespace

Bytes encode_command(std::initializer_list<std::string_view> words) {
  std::vector<const char*> starts;
  std::vector<std::size_t> lengths;
  for (const std::string_view word : words) {
    // hiredis hands the pointer to memcpy, which wants one even for no bytes.
    starts.push_back(word.empty() ? "" : word.data());
    lengths.push_back(word.size());
  }
  char* formatted = nullptr;
  const int size = redisFormatCommandArgv(&formatted, static_cast<int>(words.size()), starts.data(),
                                          lengths.data());
  if (size < 0) {
    throw std::bad_alloc();
  }
  const std::unique_ptr<char, FreeCommand> owner(formatted);
  const ByteView bytes = as_bytes({formatted, static_cast<std::size_t>(size)});
  return {bytes.begin(), bytes.end()};
}

}  // namespace keyrewind::resp
