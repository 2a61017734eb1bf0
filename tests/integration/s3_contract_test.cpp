#include "base/clock.h"
#include "s3/s3_store.h"
#include "support/s3_servers.h"
#include "support/store_contract.h"

#include <memory>
#include <utility>

namespace keyrewind::test {
namespace {

/// A bucket, and what must live as long as the store on it.
struct BucketPlace {
  S3Bucket bucket;
  SystemClock clock;
};

s3::S3Options options_for(const S3Server& server, const S3Bucket& bucket) {
  s3::S3Options options;
  options.bucket = bucket.name();
  options.prefix = "some/prefix";
  options.endpoint = server.endpoint();
  options.region = "us-east-1";
  options.path_style = true;
  options.credentials.access_key_id = server.access_key();
  options.credentials.secret_access_key = Secret(server.secret_key());
  options.part_bytes = 5U << 20U;
  options.lock_ttl = std::chrono::milliseconds(1200);
  return options;
}

OpenedStore open_on(const S3Server& server, const BucketOptions& bucket_options = {}) {
  auto place = std::make_shared<BucketPlace>(server.new_bucket(bucket_options), SystemClock());
  auto store = std::make_unique<s3::S3Store>(options_for(server, place->bucket), place->clock);
  return {std::move(place), std::move(store)};
}

OpenedStore open_rgw() {
  return open_on(S3Server::rgw());
}

/// There every conditional write of Ceph's is broken.
OpenedStore open_versioned() {
  return open_on(S3Server::rgw(), {.versioned = true});
}

OpenedStore open_swift() {
  return open_on(S3Server::swift());
}

INSTANTIATE_TEST_SUITE_P(
    S3, StoreContract,
    testing::Values(StoreFactory{.name = "rgw", .open = open_rgw, .require = require_rgw},
                    StoreFactory{.name = "rgw_versioned",
                                 .open = open_versioned,
                                 .require = require_rgw,
                                 .conditional_writes = false,
                                 .quick = false},
                    StoreFactory{.name = "swift",
                                 .open = open_swift,
                                 .require = require_swift,
                                 .conditional_writes = false,
                                 .quick = false}),
    [](const auto& factory) { return factory.param.name; });

}  // namespace
}  // namespace keyrewind::test
