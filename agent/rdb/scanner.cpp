#include "rdb/scanner.h"

#include "base/error.h"
#include "rdb/crc64.h"
#include "rdb/structure.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>

namespace keyrewind::rdb {
namespace {

/// So small that what the checksum has read is still in the cache when its structure is followed.
constexpr std::size_t kSliceBytes = 128U << 10U;

constexpr std::byte kEndRecord{0xff};

bool is_digit(char letter) {
  return letter >= '0' && letter <= '9';
}

/// Whether `text` can be the beginning of "REDIS" with four digits or "VALKEY" with three.
bool may_be_magic(std::string_view text) {
  const std::string_view name = text.starts_with('V') ? "VALKEY" : "REDIS";
  return name.starts_with(text.substr(0, name.size())) &&
         (text.size() <= name.size() || std::ranges::all_of(text.substr(name.size()), is_digit));
}

int version_of(std::string_view digits) {
  int version = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), version);
  return version;
}

std::uint64_t read_little_endian(ByteView bytes) {
  static_assert(std::endian::native == std::endian::little);
  std::uint64_t value = 0;
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

[[noreturn]] void throw_corrupt(std::string message) {
  throw Error(ErrorKind::corrupt, std::move(message));
}

}  // namespace

Scanner::Scanner() = default;
Scanner::~Scanner() = default;

void Scanner::feed(ByteView bytes) {
  read_magic(bytes);
  bytes_ += bytes.size();
  const std::size_t there = held_back_.size() + bytes.size();
  const std::size_t passing = there - std::min(there, kChecksumSize);
  const std::size_t old = std::min(passing, held_back_.size());
  pass_on(ByteView(held_back_).first(old));
  pass_on(bytes.first(passing - old));
  held_back_.erase(held_back_.begin(), held_back_.begin() + static_cast<std::ptrdiff_t>(old));
  held_back_.insert(held_back_.end(), bytes.begin() + static_cast<std::ptrdiff_t>(passing - old),
                    bytes.end());
}

void Scanner::read_magic(ByteView bytes) {
  if (structure_ != nullptr) {
    return;
  }
  magic_ += as_text(bytes.first(std::min(bytes.size(), kMagicSize - magic_.size())));
  if (!may_be_magic(magic_)) {
    throw_corrupt("this is not an RDB: it does not begin with REDIS or VALKEY and a version");
  }
  if (magic_.size() == kMagicSize) {
    const std::size_t name_size = magic_.find_first_of("0123456789");
    structure_ = std::make_unique<Structure>(
        magic_.substr(0, name_size), version_of(std::string_view(magic_).substr(name_size)));
  }
}

void Scanner::pass_on(ByteView bytes) {
  while (!bytes.empty()) {
    const ByteView slice = bytes.first(std::min(bytes.size(), kSliceBytes));
    crc_ = crc64(slice, crc_);
    structure_->follow(slice);
    last_passed_on_ = slice.back();
    bytes = bytes.subspan(slice.size());
  }
}

Summary Scanner::finish() {
  if (bytes_ < kMagicSize + sizeof kEndRecord + kChecksumSize) {
    throw_corrupt(fmt::format("the RDB ends after {} bytes", bytes_));
  }
  const std::string flaw = flaw_in_structure();
  const std::uint64_t stored = read_little_endian(held_back_);
  if (stored != 0 && stored != crc_) {
    throw_corrupt(fmt::format("the RDB says that its CRC64 is {:016x}, but it is {:016x}{}", stored,
                              crc_, flaw.empty() ? "" : "; " + flaw));
  }
  const bool is_newer =
      structure_->state() == Structure::State::newer && last_passed_on_ == kEndRecord;
  if (stored == 0 && !flaw.empty() && !is_newer) {
    throw_corrupt(fmt::format("the RDB is damaged and has no checksum: {}", flaw));
  }
  Summary summary = structure_->take_summary();
  summary.bytes = bytes_;
  summary.crc64 = crc_;
  summary.checksum = stored == 0 ? Checksum::absent : Checksum::valid;
  summary.opaque_reason = flaw;
  return summary;
}

std::string Scanner::flaw_in_structure() const {
  if (structure_->state() == Structure::State::following) {
    return fmt::format("it ends before its end record, after {} bytes", bytes_);
  }
  return structure_->reason();
}

std::uint64_t Scanner::keys() const noexcept {
  return structure_ == nullptr ? 0 : structure_->keys();
}

}  // namespace keyrewind::rdb
