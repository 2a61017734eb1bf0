#include "store/observed_store.h"

#include "base/error.h"

#include <chrono>
#include <utility>

namespace keyrewind::store {
namespace {

using std::chrono::steady_clock;

std::string_view word_of(ErrorKind kind) {
  if (kind == ErrorKind::denied) {
    return "denied";
  }
  return kind == ErrorKind::unavailable ? "no_answer" : "failed";
}

/// Reports one call, once it is known what became of it. One that was cancelled is none.
class Call {
 public:
  Call(const Observer& observer, std::string_view operation) : observer_(observer) {
    report_.operation = operation;
  }

  /// Does it; `note(result, report)` says what came of it.
  template <typename Do, typename Note>
  auto run(const Do& act, const Note& note) {
    try {
      auto result = act();
      report_.result = "ok";
      note(result, report_);
      end();
      return result;
    } catch (const Error& error) {
      fail(error);
      throw;
    }
  }

  void fail(const Error& error) {
    if (error.kind() != ErrorKind::cancelled) {
      report_.result = word_of(error.kind());
      end();
    }
  }

 private:
  void end() {
    report_.duration =
        std::chrono::duration_cast<std::chrono::microseconds>(steady_clock::now() - began_);
    observer_(report_);
  }

  const Observer& observer_;
  RequestReport report_;
  const steady_clock::time_point began_ = steady_clock::now();
};

constexpr auto kNothingToNote = [](const auto& /*result*/, RequestReport& /*report*/) {};

/// The same for calls that give nothing.
template <typename Do>
void run_plain(const Observer& observer, std::string_view operation, const Do& act,
               std::uint64_t received = 0) {
  Call(observer, operation)
      .run(
          [&] {
            act();
            return true;
          },
          [&](bool /*done*/, RequestReport& report) { report.received = received; });
}

class ObservedUpload final : public Upload {
 public:
  ObservedUpload(std::unique_ptr<Upload> inner, const Observer& observer)
      : inner_(std::move(inner)), call_(observer, "put") {}

  void append(ByteView bytes) override {
    try {
      inner_->append(bytes);
    } catch (const Error& error) {
      call_.fail(error);
      throw;
    }
  }

  StoredBytes complete() override {
    return call_.run(
        [&] { return inner_->complete(); },
        [](const StoredBytes& stored, RequestReport& report) { report.sent = stored.bytes; });
  }

 private:
  const std::unique_ptr<Upload> inner_;
  Call call_;
};

}  // namespace

bool ObservedStore::put_if_absent(const std::string& name, ByteView content, std::stop_token stop) {
  return Call(observer_, "put")
      .run([&] { return inner_->put_if_absent(name, content, std::move(stop)); },
           [&](bool did, RequestReport& report) {
             report.result = did ? "ok" : "conflict";
             report.sent = content.size();
           });
}

std::unique_ptr<Upload> ObservedStore::upload(const std::string& name, std::stop_token stop) {
  return std::make_unique<ObservedUpload>(inner_->upload(name, std::move(stop)), observer_);
}

std::optional<Bytes> ObservedStore::get(const std::string& name, std::uint64_t max_bytes,
                                        std::stop_token stop) const {
  return Call(observer_, "get")
      .run([&] { return inner_->get(name, max_bytes, std::move(stop)); },
           [](const std::optional<Bytes>& bytes, RequestReport& report) {
             report.result = bytes ? "ok" : "missing";
             report.received = bytes ? bytes->size() : 0;
           });
}

void ObservedStore::read(const std::string& name, std::uint64_t offset, std::span<std::byte> into,
                         std::stop_token stop) const {
  run_plain(
      observer_, "get", [&] { inner_->read(name, offset, into, std::move(stop)); }, into.size());
}

std::optional<ObjectInfo> ObservedStore::head(const std::string& name, std::stop_token stop) const {
  return Call(observer_, "head")
      .run([&] { return inner_->head(name, std::move(stop)); },
           [](const std::optional<ObjectInfo>& info, RequestReport& report) {
             report.result = info ? "ok" : "missing";
           });
}

std::vector<ObjectInfo> ObservedStore::list(const std::string& prefix, std::stop_token stop) const {
  return Call(observer_, "list")
      .run([&] { return inner_->list(prefix, std::move(stop)); }, kNothingToNote);
}

void ObservedStore::visit(const std::string& prefix, const TakeObject& take,
                          std::stop_token stop) const {
  run_plain(observer_, "list", [&] { inner_->visit(prefix, take, std::move(stop)); });
}

bool ObservedStore::empty(std::stop_token stop) const {
  return Call(observer_, "list")
      .run([&] { return inner_->empty(std::move(stop)); }, kNothingToNote);
}

void ObservedStore::remove(const std::string& name, std::stop_token stop) {
  run_plain(observer_, "delete", [&] { inner_->remove(name, std::move(stop)); });
}

void ObservedStore::remove_all(const std::vector<std::string>& names, std::stop_token stop) {
  run_plain(observer_, "delete", [&] { inner_->remove_all(names, std::move(stop)); });
}

bool ObservedStore::copy_within(const ObjectStore& from, const std::string& name,
                                std::stop_token stop) {
  return inner_->copy_within(from, name, std::move(stop));
}

std::optional<Record> ObservedStore::read_record(const std::string& name,
                                                 std::stop_token stop) const {
  return Call(observer_, "get")
      .run([&] { return inner_->read_record(name, std::move(stop)); },
           [](const std::optional<Record>& record, RequestReport& report) {
             report.result = record ? "ok" : "missing";
             report.received = record ? record->content.size() : 0;
           });
}

std::optional<std::string> ObservedStore::swap_record(const std::string& name, ByteView content,
                                                      const std::optional<std::string>& expected,
                                                      std::stop_token stop) {
  return Call(observer_, "put")
      .run([&] { return inner_->swap_record(name, content, expected, std::move(stop)); },
           [&](const std::optional<std::string>& version, RequestReport& report) {
             report.result = version ? "ok" : "conflict";
             report.sent = content.size();
           });
}

ObjectStore::ConditionalWrites ObservedStore::conditional_writes(std::stop_token stop) {
  return inner_->conditional_writes(std::move(stop));
}

std::size_t ObservedStore::remove_abandoned_uploads(const std::string& prefix,
                                                    const WhichNames& which, std::stop_token stop) {
  return Call(observer_, "list")
      .run([&] { return inner_->remove_abandoned_uploads(prefix, which, std::move(stop)); },
           kNothingToNote);
}

std::unique_ptr<StoreLock> ObservedStore::try_lock(const std::string& name, std::stop_token stop) {
  return inner_->try_lock(name, std::move(stop));
}

}  // namespace keyrewind::store
