#include "resp/reply_reader.h"

#include "base/error.h"

#include <fmt/format.h>
#include <hiredis/hiredis.h>

#include <new>
#include <string>
#include <utility>

namespace keyrewind::resp {

namespace {

/// Far above any reply that this program asks for: CONFIG GET * has some 20 KiB.
constexpr std::size_t kMaxReplyBytes = std::size_t{64} << 20;
constexpr std::size_t kMaxElements = std::size_t{1} << 18;

struct FreeReader {
  void operator()(redisReader* reader) const noexcept { redisReaderFree(reader); }
};

Error not_resp(std::string_view why) {
  return {Side::source, ErrorKind::protocol, fmt::format("not a reply of RESP2: {}", why)};
}

}  // namespace

/// hiredis cuts, and calls back to have each value built; its own builder would allocate an array
/// for any count that a peer cares to name.
struct ReplyReader::State {
  std::unique_ptr<redisReader, FreeReader> reader;
  std::size_t bytes_since_reply = 0;
  std::size_t elements_since_reply = 0;

  /// Puts `reply` at its place and returns a pointer to it, or null if that is too much. An array
  /// that is being filled is the last element of its parent, which does not grow meanwhile, so the
  /// pointer that hiredis keeps to it stays good.
  static void* place(const redisReadTask* task, Reply reply) noexcept {
    try {
      State& state = *static_cast<State*>(task->privdata);
      if (++state.elements_since_reply > kMaxElements) {
        return nullptr;
      }
      if (task->parent == nullptr) {
        return new_root(std::move(reply));
      }
      auto& siblings = static_cast<Reply*>(task->parent->obj)->elements;
      return &siblings.emplace_back(std::move(reply));
    } catch (const std::bad_alloc&) {
      return nullptr;
    }
  }

  static Reply* new_root(Reply reply) {
    return std::make_unique<Reply>(std::move(reply)).release();
  }

  static void* on_text(const redisReadTask* task, char* bytes, std::size_t size) noexcept {
    try {
      Reply reply;
      reply.kind = task->type == REDIS_REPLY_ERROR    ? Reply::Kind::error
                   : task->type == REDIS_REPLY_STATUS ? Reply::Kind::status
                                                      : Reply::Kind::text;
      reply.text.assign(bytes, size);
      return place(task, std::move(reply));
    } catch (const std::bad_alloc&) {
      return nullptr;
    }
  }

  static void* on_array(const redisReadTask* task, int) noexcept {
    Reply reply;
    reply.kind = Reply::Kind::array;
    return place(task, std::move(reply));
  }

  static void* on_integer(const redisReadTask* task, long long value) noexcept {
    Reply reply;
    reply.kind = Reply::Kind::integer;
    reply.integer = value;
    return place(task, std::move(reply));
  }

  static void* on_nil(const redisReadTask* task) noexcept { return place(task, Reply{}); }

  static void free_root(void* root) noexcept {
    const std::unique_ptr<Reply> owner(static_cast<Reply*>(root));
  }
};

ReplyReader::ReplyReader() : state_(std::make_unique<State>()) {
  static redisReplyObjectFunctions functions = {
      &State::on_text, &State::on_array, &State::on_integer, &State::on_nil, &State::free_root};
  state_->reader.reset(redisReaderCreateWithFunctions(&functions));
  if (!state_->reader) {
    throw std::bad_alloc();
  }
  state_->reader->privdata = state_.get();
}

ReplyReader::~ReplyReader() = default;

void ReplyReader::feed(ByteView bytes) {
  state_->bytes_since_reply += bytes.size();
  if (state_->bytes_since_reply > 2 * kMaxReplyBytes) {
    throw not_resp("far too many bytes at once");
  }
  const std::string_view text = as_text(bytes);
  redisReaderFeed(state_->reader.get(), text.data(), text.size());
}

std::optional<Reply> ReplyReader::next() {
  redisReader& reader = *state_->reader;
  void* root = nullptr;
  if (redisReaderGetReply(&reader, &root) != REDIS_OK) {
    throw not_resp(state_->elements_since_reply > kMaxElements ? "too many elements"
                                                               : reader.errstr);
  }
  if (root == nullptr) {
    if (state_->bytes_since_reply > kMaxReplyBytes) {
      throw not_resp("more than 64 MiB in one reply");
    }
    return std::nullopt;
  }
  const std::unique_ptr<Reply> owner(static_cast<Reply*>(root));
  state_->bytes_since_reply = reader.len - reader.pos;
  state_->elements_since_reply = 0;
  return std::move(*owner);
}

}  // namespace keyrewind::resp
