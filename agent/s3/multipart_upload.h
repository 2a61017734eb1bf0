#pragma once

#include "flow/channel.h"
#include "flow/group.h"
#include "flow/pool.h"
#include "s3/objects.h"
#include "s3/xml.h"
#include "store/object_store.h"
#include "store/stored_digest.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

namespace keyrewind::s3 {

/// How an object is cut into parts. A store takes 10,000 of them, so that an upload whose size
/// nobody knows before gets larger ones towards its end: with these numbers it may have 8000 × 8
/// MiB + 2000 × 64 MiB = 187 GiB. (Amazon S3 User Guide, "Amazon S3 multipart upload limits": parts
/// but the last have at least 5 MiB.)
struct PartPlan {
  std::size_t connections = 4;             ///< Parts that are under way at once …
  std::uint64_t bytes = 8U << 20U;         ///< … of this size,
  std::size_t parts_side_by_side = 8000;   ///< for so many; then one at a time
  std::uint64_t later_bytes = 64U << 20U;  ///< of this size.
  std::size_t most_parts = 10000;
};

/// An object on its way into a bucket. What turns out to be one part is one conditional PUT; the
/// rest is a multipart upload, which begins when its second part does. One that is destroyed before
/// it is complete is aborted, so that no parts stay that nobody sees and somebody pays.
class MultipartUpload final : public store::Upload {
 public:
  MultipartUpload(std::shared_ptr<Objects> objects, std::string name, PartPlan plan,
                  std::stop_token stop);
  ~MultipartUpload() override;

  void append(ByteView bytes) override;
  store::StoredBytes complete() override;

 private:
  struct Part {
    std::size_t index = 0;  ///< From 0 on.
    flow::Pool<Bytes>::Lease bytes{};
  };

  Bytes& gather();
  void send_gathered();
  void create();
  void start_sender();
  void send_parts(const std::stop_token& stop);
  void send_part(std::size_t index, ByteView bytes, const std::stop_token& stop);
  void wait_for_parts();
  template <typename Call>
  void or_throw_what_failed(Call call);
  void put_whole();
  void complete_parts();
  void check_completed();
  void abort() noexcept;
  void abort_others();
  bool is_multipart() const noexcept { return !upload_id_.empty(); }
  std::uint64_t part_bytes() const noexcept;
  Call call(std::string_view operation, std::string_view method) const;
  Error failed(std::string_view what) const;

  const std::shared_ptr<Objects> objects_;
  const std::string name_;
  const PartPlan plan_;
  const std::string nonce_;
  const std::stop_token stop_;
  std::stop_source ending_;  ///< Stops what is under way when the caller is, or a part failed.
  const std::stop_callback<std::function<void()>> on_stop_;

  store::StoredDigest digest_;
  std::uint64_t bytes_ = 0;  ///< Appended so far.
  flow::Pool<Bytes> pool_;
  std::optional<flow::Pool<Bytes>::Lease> gathering_;
  std::size_t parts_ = 0;  ///< Handed over so far.

  std::string upload_id_;
  bool create_uncertain_ = false;
  bool finished_ = false;
  flow::Channel<Part> queue_;
  std::size_t senders_ = 0;
  std::mutex mutex_;
  std::vector<SentPart> sent_;  ///< Guarded by `mutex_`.
  std::unique_ptr<flow::Group> group_;
};

}  // namespace keyrewind::s3
