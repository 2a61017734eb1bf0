#include "rdb/structure.h"

#include "rdb/captured_string.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <optional>
#include <utility>

namespace keyrewind::rdb {
namespace {

constexpr std::uint64_t kMagicSize = 9;

// What is kept of the data's own text. A real server needs far less; the bounds are against RDBs
// made to fill our memory.
constexpr std::size_t kMostAux = 64;
constexpr std::uint64_t kLongestAuxName = 64;
constexpr std::uint64_t kLongestAuxValue = 1024;
constexpr std::size_t kMostFunctions = 4096;
constexpr std::size_t kMostModules = 256;
constexpr std::size_t kMostDatabases = 65536;
/// The first line of a library's code, which is all that matters of it, is shorter.
constexpr std::uint64_t kFunctionHead = 4096;
/// But compressed code is inflated as a whole.
constexpr std::uint64_t kLongestStoredFunction = 4U << 20U;
constexpr std::uint64_t kLongestFunction = 16U << 20U;

/// The longest expiry, type byte and head of a name: what may be read without asking for the end.
constexpr std::ptrdiff_t kRecordMargin = 9 + 1 + kLongestAtom;

/// The same for one step within a value, of which 24 bytes of a pending entry are the longest.
constexpr std::ptrdiff_t kStepMargin = 24;
static_assert(kStepMargin >= kLongestAtom);

constexpr int kExpiryOpcode = 252;

/// Whether a string with this head, which begins at `at`, can be skipped at once.
bool is_whole(const StringHead& head, const unsigned char* at, const unsigned char* end) {
  return head.size > 0 && head.encoding != Encoding::unknown &&
         head.stored <= static_cast<std::uint64_t>(end - at - head.size);
}

/// How many bytes of a string to keep; nothing if it is too long to be of use.
std::optional<std::uint64_t> bytes_to_keep(Step::Kind purpose, const StringHead& head) {
  if (purpose == Step::Kind::function && head.encoding != Encoding::lzf) {
    return std::min(head.stored, kFunctionHead);
  }
  const std::uint64_t longest = purpose == Step::Kind::function    ? kLongestStoredFunction
                                : purpose == Step::Kind::aux_value ? kLongestAuxValue
                                                                   : kLongestAuxName;
  return head.stored <= longest ? std::optional(head.stored) : std::nullopt;
}

}  // namespace

Structure::Structure(std::string magic, int version)
    : shapes_(magic == "VALKEY" ? shapes_of_valkey() : shapes_of_redis()), skip_(kMagicSize) {
  summary_.magic = std::move(magic);
  summary_.version = version;
}

void Structure::follow(ByteView bytes) {
  const Cursor begin = reinterpret_cast<Cursor>(bytes.data());
  const Cursor end = begin + bytes.size();
  Cursor at = begin;
  while (at != end && state_ == State::following) {
    position_ = offset_ + static_cast<std::uint64_t>(at - begin) - carried_size_;
    if (skip_ > 0) {
      at = skip_body(at, end);
    } else if (carried_size_ > 0) {
      at = take_carried(at, end);
    } else if (const Cursor next =
                   depth_ == 0 ? follow_string_keys(at, end) : follow_plain_steps(at, end);
               next != at) {
      at = next;
    } else {
      const std::size_t taken = take_atom(at, end);
      at = taken > 0 ? at + taken : carry(at, end);
    }
  }
  if (state_ == State::ended && at != end) {
    stop(State::damaged, fmt::format("data follows the end record at byte {}", position_));
  }
  offset_ += bytes.size();
}

/// The fast path for what most RDBs consist of: keys whose value is one string, in memory as a
/// whole. Returns where the first record begins that is not such a key, or that `end` cuts.
Structure::Cursor Structure::follow_string_keys(Cursor at, Cursor end) {
  if (database_ == nullptr) {
    return at;
  }
  std::uint64_t keys = 0;
  std::uint64_t expiring = 0;
  while (end - at >= kRecordMargin) {
    Cursor next = at;
    const bool expires = *next == kExpiryOpcode;
    next += expires ? 9 : 0;
    const int type = *next++;
    const Shape& shape = shapes_[type];
    if (!shape.single_string) {
      break;
    }
    const StringHead name = read_string_head(next, end);
    if (!is_whole(name, next, end)) {
      break;
    }
    next += name.size + name.stored;
    if (end - next < kLongestAtom) {
      break;
    }
    const StringHead value = read_string_head(next, end);
    if (!is_whole(value, next, end)) {
      break;
    }
    next += value.size + value.stored;
    ++keys;
    expiring += expires || expires_ ? 1U : 0U;
    expires_ = false;
    ++database_->by_type[static_cast<std::size_t>(shape.type)];
    summary_.hashes_with_field_ttl += shape.has_field_ttl ? 1U : 0U;
    summary_.highest_type = std::max(summary_.highest_type, type);
    at = next;
  }
  keys_ += keys;
  database_->keys += keys;
  database_->keys_with_ttl += expiring;
  return at;
}

/// The fast path within a value: strings and bytes that are in memory as a whole. Returns where
/// the first step begins that is something else, that `end` may cut, or that leaves the frame.
Structure::Cursor Structure::follow_plain_steps(Cursor at, Cursor end) {
  Frame frame = frames_[depth_ - 1];
  while (end - at >= kStepMargin && (frame.next + 1 != frame.end || frame.left > 1)) {
    if (frame.next->kind == Step::Kind::string) {
      const StringHead head = read_string_head(at, end);
      if (!is_whole(head, at, end)) {
        break;
      }
      at += head.size + head.stored;
    } else if (frame.next->kind == Step::Kind::bytes) {
      at += frame.next->size;
    } else {
      break;
    }
    if (++frame.next == frame.end) {
      frame.next = frame.begin;
      --frame.left;
    }
  }
  frames_[depth_ - 1] = frame;
  return at;
}

Structure::Cursor Structure::skip_body(Cursor at, Cursor end) {
  const auto count = std::min(skip_, static_cast<std::uint64_t>(end - at));
  if (capturing_) {
    const auto kept = std::min(count, capture_.wanted - capture_.bytes.size());
    const auto* const from = reinterpret_cast<const std::byte*>(at);
    capture_.bytes.insert(capture_.bytes.end(), from, from + kept);
  }
  skip_ -= count;
  if (skip_ == 0 && capturing_) {
    finish_capture();
  }
  return at + count;
}

Structure::Cursor Structure::carry(Cursor at, Cursor end) {
  carried_size_ = static_cast<std::size_t>(end - at);
  std::copy(at, end, carried_.begin());
  return end;
}

Structure::Cursor Structure::take_carried(Cursor at, Cursor end) {
  const auto added =
      std::min(static_cast<std::ptrdiff_t>(carried_.size() - carried_size_), end - at);
  std::copy(at, at + added, carried_.begin() + carried_size_);
  const std::size_t before = std::exchange(carried_size_, 0);
  const std::size_t there = before + static_cast<std::size_t>(added);
  const std::size_t taken = take_atom(carried_.data(), carried_.data() + there);
  if (taken == 0) {
    carried_size_ = there;
    return at + added;
  }
  if (state_ != State::following) {
    return end;
  }
  // What was carried is less than an atom, so the atom ends in the new piece.
  return at + (taken - before);
}

std::size_t Structure::take_atom(Cursor at, Cursor end) {
  if (depth_ == 0) {
    return take_record(at);
  }
  const Step& step = *frames_[depth_ - 1].next;
  switch (step.kind) {
    case Step::Kind::string:
    case Step::Kind::aux_name:
    case Step::Kind::aux_value:
    case Step::Kind::function:
      return take_string(step.kind, at, end);
    case Step::Kind::score:
      return take_score(at);
    case Step::Kind::bytes:
      // Taken from the front of the bytes themselves, as every atom has to take something.
      skip_ = step.size - 1U;
      advance();
      return 1;
    case Step::Kind::length:
    case Step::Kind::container:
    case Step::Kind::repeat:
    case Step::Kind::module_items:
    case Step::Kind::module_id:
    case Step::Kind::module_aux_id:
    case Step::Kind::database:
      break;
  }
  return take_length(step, at, end);
}

std::size_t Structure::take_record(Cursor at) {
  const int first = *at;
  const Shape& shape = shapes_[first];
  switch (shape.role) {
    case Shape::Role::unknown:
      if (first < kFirstOpcode) {
        summary_.highest_type = std::max(summary_.highest_type, first);
      }
      stop(State::newer,
           fmt::format("{} {} at byte {} is not known",
                       first < kFirstOpcode ? "value type" : "opcode", first, position_));
      return 1;
    case Shape::Role::end:
      state_ = State::ended;
      ++position_;
      return 1;
    case Shape::Role::key:
      if (database_ == nullptr && !enter_database()) {
        return 1;
      }
      count_key(shape, first);
      break;
    case Shape::Role::expiry:
      expires_ = true;
      break;
    case Shape::Role::other:
      break;
  }
  push(shape.steps, shape.size, 1);
  return 1;
}

std::size_t Structure::take_string(Step::Kind purpose, Cursor at, Cursor end) {
  const StringHead head = read_string_head(at, end);
  if (head.size == 0) {
    return 0;
  }
  if (head.encoding == Encoding::unknown) {
    stop(State::damaged,
         fmt::format("the string at byte {} is encoded in an unknown way", position_));
    return 1;
  }
  advance();
  skip_ = head.stored;
  if (purpose != Step::Kind::string) {
    begin_capture(purpose, head);
  }
  return head.size;
}

std::size_t Structure::take_length(const Step& step, Cursor at, Cursor end) {
  const Length length = read_length(at, end);
  if (length.size == 0) {
    return 0;
  }
  if (!length.valid) {
    stop(State::damaged,
         fmt::format("the length at byte {} is encoded in an unknown way", position_));
    return 1;
  }
  if (step.kind == Step::Kind::module_items) {
    begin_module_item(length.value);
    return length.size;
  }
  advance();
  use_length(step, length.value);
  return length.size;
}

std::size_t Structure::take_score(Cursor at) {
  constexpr unsigned kNotANumber = 253;  // 254 and 255 are the infinities: no digits either.
  skip_ = *at < kNotANumber ? *at : 0;
  advance();
  return 1;
}

void Structure::use_length(const Step& step, std::uint64_t value) {
  switch (step.kind) {
    case Step::Kind::repeat:
      if (value > 0) {
        push(step.body, step.size, value);
      }
      return;
    case Step::Kind::container:
      if (value != 1 && value != 2) {
        stop(State::damaged,
             fmt::format("the list node at byte {} is of the unknown kind {}", position_, value));
      }
      return;
    case Step::Kind::database:
      database_number_ = value;
      database_ = nullptr;
      return;
    case Step::Kind::module_id:
      ++module_keys(value);
      return;
    case Step::Kind::module_aux_id:
      module_keys(value);
      return;
    case Step::Kind::string:
    case Step::Kind::length:
    case Step::Kind::bytes:
    case Step::Kind::score:
    case Step::Kind::module_items:
    case Step::Kind::aux_name:
    case Step::Kind::aux_value:
    case Step::Kind::function:
      return;
  }
}

void Structure::begin_module_item(std::uint64_t kind) {
  constexpr std::uint64_t kEnd = 0;
  if (kind == kEnd) {
    advance();
    return;
  }
  const Step* const item = module_item(kind);
  if (item == nullptr) {
    stop(State::damaged,
         fmt::format("the module's item at byte {} is of the unknown kind {}", position_, kind));
    return;
  }
  push(item, 1, 1);
}

void Structure::push(const Step* steps, std::uint8_t size, std::uint64_t times) {
  assert(depth_ < frames_.size());
  frames_[depth_++] = {steps, steps, steps + size, times};
}

/// Goes on to the next step before the one at hand opens a frame of its own: when that is done, the
/// frames below are already where they have to go on, and those that were done are gone.
void Structure::advance() {
  Frame& frame = frames_[depth_ - 1];
  if (++frame.next != frame.end) {
    return;
  }
  frame.next = frame.begin;
  if (--frame.left == 0) {
    --depth_;
  }
}

void Structure::begin_capture(Step::Kind purpose, const StringHead& head) {
  const auto wanted = bytes_to_keep(purpose, head);
  capture_ = {.purpose = purpose,
              .encoding = wanted ? head.encoding : Encoding::unknown,
              .inflated = head.inflated,
              .wanted = wanted.value_or(0),
              .bytes = {}};
  capturing_ = true;
  if (skip_ == 0) {
    finish_capture();
  }
}

void Structure::finish_capture() {
  capturing_ = false;
  const Capture captured = std::exchange(capture_, {});
  const auto text = [&captured](std::uint64_t longest) {
    return text_of(captured.bytes, captured.encoding, captured.inflated, longest);
  };
  if (captured.purpose == Step::Kind::aux_name) {
    aux_name_ = text(kLongestAuxName).value_or("");
  } else if (captured.purpose == Step::Kind::aux_value) {
    note_aux(text(kLongestAuxValue));
  } else if (summary_.functions.size() < kMostFunctions) {
    summary_.functions.push_back(library_name(text(kLongestFunction).value_or("")));
  }
}

void Structure::note_aux(std::optional<std::string> value) {
  if (!aux_name_.empty() && value && summary_.aux.size() < kMostAux) {
    summary_.aux.emplace(aux_name_, std::move(*value));
  }
}

void Structure::count_key(const Shape& shape, int type) {
  ++keys_;
  ++database_->keys;
  ++database_->by_type[static_cast<std::size_t>(shape.type)];
  database_->keys_with_ttl += std::exchange(expires_, false) ? 1U : 0U;
  summary_.hashes_with_field_ttl += shape.has_field_ttl ? 1U : 0U;
  summary_.highest_type = std::max(summary_.highest_type, type);
}

bool Structure::enter_database() {
  if (summary_.databases.size() == kMostDatabases &&
      !summary_.databases.contains(database_number_)) {
    stop(State::newer, fmt::format("there are more than {} databases", kMostDatabases));
    return false;
  }
  database_ = &summary_.databases[database_number_];
  return true;
}

std::uint64_t& Structure::module_keys(std::uint64_t id) {
  const std::string name = module_name(id);
  const bool has_room = summary_.modules.size() < kMostModules || summary_.modules.contains(name);
  return summary_.modules[has_room ? name : std::string("?")];
}

void Structure::stop(State state, std::string reason) {
  state_ = state;
  summary_.opaque_reason = std::move(reason);
}

Summary Structure::take_summary() {
  return std::move(summary_);
}

}  // namespace keyrewind::rdb
