#include "aof/increment.h"

#include "base/error.h"

#include <fmt/format.h>

#include <string>
#include <utility>

namespace keyrewind::aof {
namespace {

std::string select_command(std::uint64_t database) {
  const std::string number = std::to_string(database);
  return fmt::format("*2\r\n$6\r\nSELECT\r\n${}\r\n{}\r\n", number.size(), number);
}

}  // namespace

IncrementWriter::IncrementWriter(std::int64_t offset, std::uint64_t database, Write write)
    : walk_(offset), framer_(offset, database), write_(std::move(write)) {
  this->write(as_bytes(select_command(database)));
}

void IncrementWriter::append(ByteView raw, Timestamp arrived) {
  const auto second = std::chrono::floor<std::chrono::seconds>(arrived);
  if (!last_second_ || second > *last_second_) {
    last_second_ = second;
    waiting_second_ = second;
  }
  std::size_t written = 0;  // Of `raw`, including what is left out or held back.
  std::size_t at = 0;
  const auto write_up_to = [&](std::size_t end) {
    write(raw.subspan(written, end - written));
    written = end;
  };
  while (at < raw.size()) {
    if (waiting_second_ && is_safe()) {
      write_up_to(at);
      write_waiting_second();
    }
    const std::size_t begin = at;
    at += take_command(raw.subspan(at));
    if (verdict_ == Verdict::kept) {
      write(std::exchange(held_back_, {}));
      continue;
    }
    write_up_to(begin);
    written = at;
    if (verdict_ == Verdict::unknown) {
      held_back_.insert(held_back_.end(), raw.begin() + static_cast<std::ptrdiff_t>(begin),
                        raw.end());
    } else {
      held_back_.clear();
      left_out_ += walk_.between_commands() ? 1U : 0U;
    }
  }
  write_up_to(raw.size());
}

void IncrementWriter::finish() {
  if (!is_safe()) {
    throw Error(ErrorKind::corrupt,
                fmt::format("the log ends at offset {} within a {}; the last offset before it at "
                            "which it can end is {}",
                            framer_.offset(), framer_.in_transaction() ? "transaction" : "command",
                            framer_.safe()));
  }
}

void IncrementWriter::see(std::uint64_t index, std::string_view beginning, std::uint64_t /*size*/) {
  if (index == 0) {
    verdict_ = is_word(beginning, "cluster") ? Verdict::left_out : Verdict::kept;
  } else if (is_word(beginning, "flushslot")) {
    throw Error(ErrorKind::incompatible,
                fmt::format("behind offset {} the log holds CLUSTER FLUSHSLOT, which does not say "
                            "which keys it takes away; restore to offset:{} or before, or begin "
                            "with a later snapshot",
                            framer_.safe(), framer_.safe()));
  }
}

std::size_t IncrementWriter::take_command(ByteView bytes) {
  if (walk_.between_commands()) {
    verdict_ = Verdict::unknown;
  }
  try {
    const std::size_t taken = walk_.take_command(bytes, *this);
    framer_.feed(bytes.first(taken));
    return taken;
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::protocol) {
      throw;
    }
    throw Error(ErrorKind::corrupt, error.what());
  }
}

void IncrementWriter::write_waiting_second() {
  write(as_bytes(fmt::format("#TS:{}\r\n", waiting_second_->time_since_epoch().count())));
  waiting_second_.reset();
}

void IncrementWriter::write(ByteView bytes) {
  if (!bytes.empty()) {
    bytes_ += bytes.size();
    write_(bytes);
  }
}

}  // namespace keyrewind::aof
