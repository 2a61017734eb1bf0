#include "s3/s3_store.h"

#include "base/error.h"
#include "s3/abandoned_uploads.h"
#include "s3/bulk.h"
#include "s3/multipart_upload.h"
#include "s3/objects.h"
#include "s3/server_copy.h"
#include "store/lease.h"
#include "store/stop.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace keyrewind::s3 {
namespace {

/// Where locks are: what lists everything does not mean them.
constexpr std::string_view kLocks = "leases/";

/// Given to whoever asks.
class NoLock final : public store::StoreLock {};

PartPlan part_plan(const S3Options& options) {
  PartPlan plan;
  plan.connections = std::max<std::size_t>(1, options.connections);
  plan.bytes = options.part_bytes;
  return plan;
}

}  // namespace

/// The objects are shared with uploads that are out.
class S3Store::Work {
 public:
  Work(const S3Options& options, const Clock& clock_)
      : objects(std::make_shared<Objects>(options, clock_)),
        plan(part_plan(options)),
        locks(options.locks),
        lock_ttl(options.lock_ttl),
        clock(clock_) {}

  const std::shared_ptr<Objects> objects;
  const PartPlan plan;
  const bool locks;
  const std::chrono::milliseconds lock_ttl;
  const Clock& clock;
};

S3Store::S3Store(S3Options options, const Clock& clock)
    : work_(std::make_unique<Work>(options, clock)) {}
S3Store::~S3Store() = default;

std::string S3Store::url() const {
  return work_->objects->place().url();
}

// A bucket is made by its owner. One that is not there is told of by every other call, which can be
// stopped while the store hangs.
void S3Store::create() {}

bool S3Store::put_if_absent(const std::string& name, ByteView content, std::stop_token stop) {
  store::throw_if_stopped(stop);
  return work_->objects->create(name, content, ObjectKind::small, std::move(stop));
}

std::unique_ptr<store::Upload> S3Store::upload(const std::string& name, std::stop_token stop) {
  store::throw_if_stopped(stop);
  return std::make_unique<MultipartUpload>(work_->objects, name, work_->plan, std::move(stop));
}

std::optional<Bytes> S3Store::get(const std::string& name, std::uint64_t max_bytes,
                                  std::stop_token stop) const {
  return work_->objects->get(name, max_bytes, std::move(stop));
}

void S3Store::read(const std::string& name, std::uint64_t offset, std::span<std::byte> into,
                   std::stop_token stop) const {
  work_->objects->read(name, offset, into, std::move(stop));
}

std::optional<store::ObjectInfo> S3Store::head(const std::string& name,
                                               std::stop_token stop) const {
  const auto there = work_->objects->head(name, std::move(stop));
  if (!there) {
    return std::nullopt;
  }
  return store::ObjectInfo{name, there->bytes};
}

std::vector<store::ObjectInfo> S3Store::list(const std::string& prefix,
                                             std::stop_token stop) const {
  std::vector<store::ObjectInfo> found;
  visit(
      prefix, [&](const store::ObjectInfo& object) { found.push_back(object); }, stop);
  // Some stores have an order of their own.
  std::ranges::sort(found, {}, &store::ObjectInfo::name);
  return found;
}

void S3Store::visit(const std::string& prefix, const store::TakeObject& take,
                    std::stop_token stop) const {
  list_objects(
      *work_->objects, prefix,
      [&](const store::ObjectInfo& object) {
        if (!object.name.starts_with(kLocks) || prefix.starts_with(kLocks)) {
          take(object);
        }
      },
      stop);
}

bool S3Store::empty(std::stop_token stop) const {
  return holds_nothing_but(*work_->objects, kLocks, stop);
}

void S3Store::remove(const std::string& name, std::stop_token stop) {
  work_->objects->remove(name, std::move(stop));
}

void S3Store::remove_all(const std::vector<std::string>& names, std::stop_token stop) {
  store::throw_if_stopped(stop);
  remove_objects(*work_->objects, names, stop);
}

bool S3Store::copy_within(const store::ObjectStore& from, const std::string& name,
                          std::stop_token stop) {
  store::throw_if_stopped(stop);
  const auto* other = dynamic_cast<const S3Store*>(&from);
  if (other == nullptr) {
    return false;
  }
  const Place& here = work_->objects->place();
  const Place& there = other->work_->objects->place();
  const bool together = here.endpoint() == there.endpoint() || (here.is_aws() && there.is_aws());
  return together && copy_object(*other->work_->objects, *work_->objects, name, CopyPlan{}, stop);
}

std::optional<store::Record> S3Store::read_record(const std::string& name,
                                                  std::stop_token stop) const {
  return work_->objects->read_record(name, std::move(stop));
}

std::optional<std::string> S3Store::swap_record(const std::string& name, ByteView content,
                                                const std::optional<std::string>& expected,
                                                std::stop_token stop) {
  store::throw_if_stopped(stop);
  return work_->objects->swap_record(name, content, expected, std::move(stop));
}

store::ObjectStore::ConditionalWrites S3Store::conditional_writes(std::stop_token stop) {
  store::throw_if_stopped(stop);
  Conditions found = work_->objects->conditions(std::move(stop));
  return {found.work, std::move(found.reason)};
}

std::size_t S3Store::remove_abandoned_uploads(const std::string& prefix,
                                              const store::WhichNames& which,
                                              std::stop_token stop) {
  return abort_uploads(*work_->objects, prefix, which, stop);
}

std::unique_ptr<store::StoreLock> S3Store::try_lock(const std::string& name, std::stop_token stop) {
  store::throw_if_stopped(stop);
  if (!work_->locks) {
    return std::make_unique<NoLock>();
  }
  work_->objects->need_conditions(stop);
  return store::try_lease_lock(*this, name, work_->lock_ttl, work_->clock, std::move(stop));
}

std::optional<std::chrono::seconds> S3Store::clock_ahead() const {
  return work_->objects->requests().clock_ahead();
}

}  // namespace keyrewind::s3
