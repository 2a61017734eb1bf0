#include "support/faulty_store.h"

#include <utility>

namespace keyrewind::test {

/// Passes an upload on, each call of which may be the one that goes wrong.
class FaultyStore::FaultyUpload final : public store::Upload {
 public:
  FaultyUpload(const FaultyStore& store, std::unique_ptr<store::Upload> inner)
      : store_(store), inner_(std::move(inner)) {}

  void append(ByteView bytes) override {
    const std::uint64_t number = store_.begin();
    inner_->append(bytes);
    store_.end(number);
  }

  store::StoredBytes complete() override {
    const std::uint64_t number = store_.begin();
    const store::StoredBytes stored = inner_->complete();
    store_.end(number);
    return stored;
  }

 private:
  const FaultyStore& store_;
  const std::unique_ptr<store::Upload> inner_;
};

class FaultyStore::FaultyLock final : public store::StoreLock {
 public:
  FaultyLock(const std::atomic<bool>& lost, std::unique_ptr<store::StoreLock> inner)
      : lost_(lost), inner_(std::move(inner)) {}

  bool held() const override { return !lost_ && inner_->held(); }

 private:
  const std::atomic<bool>& lost_;
  const std::unique_ptr<store::StoreLock> inner_;
};

FaultyStore::FaultyStore(store::ObjectStore& inner, Fault fault) : inner_(inner), fault_(fault) {}

void FaultyStore::set(Fault fault) {
  {
    const std::lock_guard lock(mutex_);
    fault_ = fault;
    calls_ = 0;
  }
  changed_.notify_all();
}

void FaultyStore::meanwhile(std::uint64_t call, std::function<void()> action) {
  meanwhile_call_ = call;
  meanwhile_ = std::move(action);
}

std::string FaultyStore::url() const {
  return inner_.url();
}

void FaultyStore::create() {
  const std::uint64_t number = begin();
  inner_.create();
  end(number);
}

bool FaultyStore::put_if_absent(const std::string& name, ByteView content, std::stop_token stop) {
  const std::uint64_t number = begin();
  const bool result = inner_.put_if_absent(name, content, stop);
  end(number);
  return result;
}

std::unique_ptr<store::Upload> FaultyStore::upload(const std::string& name, std::stop_token stop) {
  const std::uint64_t number = begin();
  std::unique_ptr<store::Upload> upload = inner_.upload(name, stop);
  end(number);
  return std::make_unique<FaultyUpload>(*this, std::move(upload));
}

std::optional<Bytes> FaultyStore::get(const std::string& name, std::uint64_t max_bytes,
                                      std::stop_token stop) const {
  const std::uint64_t number = begin();
  std::optional<Bytes> content = inner_.get(name, max_bytes, stop);
  end(number);
  if (content && !content->empty() && is_due(Fault::Mode::flip_bit, number)) {
    (*content)[content->size() / 2] ^= std::byte{1};
  }
  if (content && !content->empty() && is_due(Fault::Mode::truncate, number)) {
    content->pop_back();
  }
  return content;
}

void FaultyStore::read(const std::string& name, std::uint64_t offset, std::span<std::byte> into,
                       std::stop_token stop) const {
  const std::uint64_t number = begin();
  inner_.read(name, offset, into, stop);
  end(number);
  if (!into.empty() && is_due(Fault::Mode::flip_bit, number)) {
    into[into.size() / 2] ^= std::byte{1};
  }
  if (!into.empty() && is_due(Fault::Mode::truncate, number)) {
    throw Error(Side::repository, ErrorKind::corrupt, "the object ends too early");
  }
}

std::optional<store::ObjectInfo> FaultyStore::head(const std::string& name,
                                                   std::stop_token stop) const {
  const std::uint64_t number = begin();
  std::optional<store::ObjectInfo> result = inner_.head(name, stop);
  end(number);
  return result;
}

std::vector<store::ObjectInfo> FaultyStore::list(const std::string& prefix,
                                                 std::stop_token stop) const {
  const std::uint64_t number = begin();
  std::vector<store::ObjectInfo> result = inner_.list(prefix, stop);
  end(number);
  return result;
}

bool FaultyStore::empty(std::stop_token stop) const {
  const std::uint64_t number = begin();
  const bool result = inner_.empty(stop);
  end(number);
  return result;
}

void FaultyStore::remove(const std::string& name, std::stop_token stop) {
  const std::uint64_t number = begin();
  inner_.remove(name, stop);
  end(number);
}

std::optional<store::Record> FaultyStore::read_record(const std::string& name,
                                                      std::stop_token stop) const {
  const std::uint64_t number = begin();
  std::optional<store::Record> result = inner_.read_record(name, stop);
  end(number);
  return result;
}

std::optional<std::string> FaultyStore::swap_record(const std::string& name, ByteView content,
                                                    const std::optional<std::string>& expected,
                                                    std::stop_token stop) {
  const std::uint64_t number = begin();
  std::optional<std::string> result = inner_.swap_record(name, content, expected, stop);
  end(number);
  return result;
}

bool FaultyStore::encrypts() const {
  return inner_.encrypts();
}

bool FaultyStore::can_read(const std::string& name) const {
  return inner_.can_read(name);
}

std::size_t FaultyStore::remove_abandoned_uploads(const std::string& prefix,
                                                  const store::WhichNames& which,
                                                  std::stop_token stop) {
  const std::uint64_t number = begin();
  const std::size_t result = inner_.remove_abandoned_uploads(prefix, which, stop);
  end(number);
  return result;
}

std::unique_ptr<store::StoreLock> FaultyStore::try_lock(const std::string& name,
                                                        std::stop_token stop) {
  const std::uint64_t number = begin();
  std::unique_ptr<store::StoreLock> result = inner_.try_lock(name, stop);
  end(number);
  return result ? std::make_unique<FaultyLock>(locks_lost_, std::move(result)) : nullptr;
}

std::uint64_t FaultyStore::begin() const {
  const std::uint64_t number = ++calls_;
  if (meanwhile_ && number == meanwhile_call_) {
    meanwhile_();
  }
  if (is_due(Fault::Mode::fail_before, number)) {
    throw failure();
  }
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return !is_due_now(Fault::Mode::hang, number); });
  return number;
}

void FaultyStore::end(std::uint64_t number) const {
  if (is_due(Fault::Mode::fail_after, number)) {
    throw failure();
  }
}

Error FaultyStore::failure() const {
  const std::lock_guard lock(mutex_);
  return {Side::repository, fault_.kind, "the store failed as the test wanted"};
}

bool FaultyStore::is_due(Fault::Mode mode, std::uint64_t number) const {
  const std::lock_guard lock(mutex_);
  return is_due_now(mode, number);
}

/// The mutex is held.
bool FaultyStore::is_due_now(Fault::Mode mode, std::uint64_t number) const {
  if (fault_.mode != mode) {
    return false;
  }
  return fault_.every != 0 ? number % fault_.every == 0 : fault_.call == 0 || fault_.call == number;
}

}  // namespace keyrewind::test
