#include "catalog/segment.h"

#include "base/error.h"
#include "codec/sha256.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

namespace keyrewind::catalog {
namespace {

Digest to_digest(codec::Sha256& hash) {
  const Bytes bytes = hash.digest();
  Digest digest;
  std::copy(bytes.begin(), bytes.end(), digest.begin());
  return digest;
}

}  // namespace

// Both digests stand in every segment: FORMAT.md, section "The hash chain".

Digest chain_start(const std::string& lineage, std::int64_t offset) {
  codec::Sha256 hash;
  hash.feed(as_bytes(fmt::format("keyrewind log {} {}", lineage, offset)));
  return to_digest(hash);
}

Digest chain_after(const Digest& before, const Link& link) {
  std::array<std::byte, 8> end{};
  for (std::size_t i = 0; i < end.size(); ++i) {
    end[i] = static_cast<std::byte>(static_cast<std::uint64_t>(link.end) >> (8 * i));
  }
  codec::Sha256 hash;
  hash.feed(before);
  hash.feed(end);
  hash.feed(link.sha256);
  return to_digest(hash);
}

Digest chain_end(const Segment& segment) {
  Digest chain = segment.previous;
  for (const Link& link : segment.links) {
    chain = chain_after(chain, link);
  }
  return chain;
}

Timestamp arrival(const Segment& segment, std::int64_t offset) {
  const auto mark = std::lower_bound(
      segment.marks.begin(), segment.marks.end(), offset,
      [](const TimeMark& before, std::int64_t wanted) { return before.offset < wanted; });
  if (mark == segment.marks.end()) {
    throw Error(ErrorKind::internal,
                fmt::format("offset {} is beyond a segment that ends at {}", offset, segment.end));
  }
  return mark->at;
}

}  // namespace keyrewind::catalog
