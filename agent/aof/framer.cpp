#include "aof/framer.h"

#include "base/error.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <utility>

namespace keyrewind::aof {
namespace {

constexpr std::size_t kLongestName = 8;

/// Setting it makes a lower-case letter of an upper-case one, and a letter of nothing else.
constexpr unsigned kLowerCaseBit = 0x20;

constexpr std::uint64_t lower_case(char byte) {
  return static_cast<unsigned char>(byte) | kLowerCaseBit;
}

/// At most eight letters as one number, the same whatever their case.
constexpr std::uint64_t folded(std::string_view name) {
  constexpr unsigned kByteBits = 8;
  std::uint64_t number = 0;
  for (const char byte : name) {
    number = number << kByteBits | lower_case(byte);
  }
  return number;
}

/// By length: the letters that names of interest begin with, as bits counted from 'a'. It sorts
/// out nearly all commands at the cost of one look.
constexpr std::array<std::uint32_t, kLongestName + 1> kFirstLetters = [] {
  std::array<std::uint32_t, kLongestName + 1> letters{};
  for (const std::string_view name :
       {"multi", "exec", "discard", "select", "replconf", "function", "flushall", "flushdb",
        "swapdb", "cluster", "del", "unlink"}) {
    letters.at(name.size()) |= 1U << static_cast<unsigned>(name.front() - 'a');
  }
  return letters;
}();

bool may_be_of_interest(std::string_view name) {
  constexpr std::uint64_t kLetters = 26;
  if (name.empty() || name.size() > kLongestName) {
    return false;
  }
  const std::uint64_t letter = lower_case(name.front()) - std::uint64_t{'a'};
  return letter < kLetters && (kFirstLetters[name.size()] >> letter & 1U) != 0;
}

std::optional<std::uint64_t> to_number(std::string_view text) {
  std::uint64_t number = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  return error == std::errc() && stop == end ? std::optional(number) : std::nullopt;
}

}  // namespace

Framer::Framer(std::int64_t offset, std::optional<std::uint64_t> database)
    : walk_(offset), database_(database), safe_(offset), safe_database_(database) {}

std::size_t Framer::feed(ByteView bytes) {
  std::size_t taken = 0;
  while (taken < bytes.size()) {
    if (walk_.between_commands() && bytes[taken] == std::byte{'\n'}) {
      break;
    }
    taken += walk_.take_command(bytes.subspan(taken), *this);
    if (walk_.between_commands()) {
      end_command();
    }
  }
  return taken;
}

std::size_t Framer::keep_alives(ByteView bytes) const noexcept {
  std::size_t count = 0;
  while (walk_.between_commands() && count < bytes.size() && bytes[count] == std::byte{'\n'}) {
    ++count;
  }
  return count;
}

std::vector<NotedCommand> Framer::take_noted() {
  return std::exchange(noted_, {});
}

Framer::Kind Framer::kind_of(std::string_view name) noexcept {
  if (!may_be_of_interest(name)) {
    return Kind::other;
  }
  switch (folded(name)) {
    case folded("multi"):
      return Kind::multi;
    case folded("exec"):
      return Kind::exec;
    case folded("discard"):
      return Kind::discard;
    case folded("select"):
      return Kind::select;
    case folded("replconf"):
      return Kind::replconf;
    case folded("function"):
      return Kind::function;
    case folded("cluster"):
      return Kind::cluster;
    case folded("flushall"):
      return Kind::flushall;
    case folded("flushdb"):
      return Kind::flushdb;
    case folded("swapdb"):
      return Kind::swapdb;
    case folded("del"):
      return Kind::del;
    case folded("unlink"):
      return Kind::unlink;
    default:
      return Kind::other;
  }
}

bool Framer::wants(std::uint64_t index) const noexcept {
  return index == 0 || (index == 1 && (kind_ == Kind::select || kind_ == Kind::replconf ||
                                       kind_ == Kind::function || kind_ == Kind::cluster));
}

void Framer::see(std::uint64_t index, std::string_view beginning, std::uint64_t size) {
  if (index == 0) {
    kind_ = kind_of(beginning);
    to_select_.reset();
  } else if (beginning.size() == size) {
    see_argument(beginning);
  }
}

void Framer::see_argument(std::string_view argument) {
  if (kind_ == Kind::select) {
    to_select_ = to_number(argument);
  } else if (kind_ == Kind::replconf && is_word(argument, "getack")) {
    kind_ = Kind::getack;
  } else if (kind_ == Kind::function && is_word(argument, "flush")) {
    kind_ = Kind::function_flush;
  } else if (kind_ == Kind::cluster && is_word(argument, "flushslot")) {
    kind_ = Kind::cluster_flushslot;
  }
}

void Framer::end_command() {
  ++commands_;
  if (kind_ != Kind::other) {
    act();
  }
  if (!in_transaction_) {
    safe_ = walk_.offset();
    safe_database_ = database_;
  }
}

void Framer::act() {
  switch (kind_) {
    case Kind::other:
    case Kind::replconf:
    case Kind::function:
    case Kind::cluster:
      return;
    case Kind::multi:
      begin_transaction();
      return;
    case Kind::exec:
      end_transaction();
      noted_.insert(noted_.end(), noted_in_transaction_.begin(), noted_in_transaction_.end());
      noted_in_transaction_.clear();
      return;
    case Kind::discard:
      end_transaction();
      noted_in_transaction_.clear();
      database_ = safe_database_;
      return;
    case Kind::select:
      database_ = to_select_;
      return;
    case Kind::getack:
      ++acknowledgements_wanted_;
      return;
    case Kind::function_flush:
      note("FUNCTION FLUSH");
      return;
    case Kind::cluster_flushslot:
      note("CLUSTER FLUSHSLOT");
      return;
    case Kind::flushall:
      note("FLUSHALL");
      return;
    case Kind::flushdb:
      note("FLUSHDB");
      return;
    case Kind::swapdb:
      note("SWAPDB");
      return;
    case Kind::del:
      note_many("DEL");
      return;
    case Kind::unlink:
      note_many("UNLINK");
      return;
  }
}

void Framer::begin_transaction() {
  if (in_transaction_) {
    refuse("MULTI within MULTI");
  }
  in_transaction_ = true;
}

void Framer::end_transaction() {
  if (!in_transaction_) {
    refuse("the end of a transaction without MULTI");
  }
  in_transaction_ = false;
}

void Framer::note(std::string command) {
  if (!in_transaction_) {
    noted_.push_back({std::move(command), database_, safe_, walk_.offset()});
  } else if (noted_in_transaction_.size() < kMaxNotedInTransaction) {
    noted_in_transaction_.push_back({std::move(command), database_, safe_, walk_.offset()});
  }
}

void Framer::note_many(const char* name) {
  const std::uint64_t keys = walk_.word_count() - 1;
  if (keys >= kManyKeys) {
    note(fmt::format("{} of {} keys", name, keys));
  }
}

void Framer::refuse(const char* what) const {
  throw Error(Side::source, ErrorKind::protocol,
              fmt::format("the replication stream is malformed: {} before offset {}", what,
                          walk_.offset()));
}

}  // namespace keyrewind::aof
