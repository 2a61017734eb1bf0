#include "aof/command_reader.h"

#include <utility>

namespace keyrewind::aof {

CommandReader::CommandReader(std::int64_t offset, std::optional<std::uint64_t> database, Take take)
    : walk_(offset), framer_(offset, database), take_(std::move(take)) {}

void CommandReader::feed(ByteView bytes) {
  while (!bytes.empty()) {
    const std::size_t taken = walk_.take_command(bytes, *this);
    command_.database = framer_.database();
    framer_.feed(bytes.first(taken));
    bytes = bytes.subspan(taken);
    if (walk_.between_commands()) {
      command_.end = walk_.offset();
      command_.word_count = walk_.word_count();
      take_(command_);
      command_.words.clear();
    }
  }
}

void CommandReader::see(std::uint64_t /*index*/, std::string_view beginning,
                        std::uint64_t /*size*/) {
  command_.words.emplace_back(beginning);
}

}  // namespace keyrewind::aof
