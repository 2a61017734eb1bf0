#include "catalog/segment_json.h"

#include <limits>

namespace keyrewind::catalog {
namespace {

constexpr std::size_t kDigestDigits = 64;
constexpr std::size_t kReplidDigits = 40;
constexpr auto kLastOffset = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());

}  // namespace

std::int64_t read_offset(const JsonObject& in, const std::string& name) {
  return static_cast<std::int64_t>(in.number(name, kLastOffset));
}

Digest read_digest(const JsonObject& in, const std::string& name) {
  const std::string text = in.hex(name, kDigestDigits);
  const auto value_of = [](char digit) { return digit <= '9' ? digit - '0' : digit - 'a' + 10; };
  Digest digest;
  for (std::size_t i = 0; i < digest.size(); ++i) {
    digest[i] = static_cast<std::byte>(value_of(text[2 * i]) * 16 + value_of(text[2 * i + 1]));
  }
  return digest;
}

HistoryId read_history_id(const JsonObject& in) {
  return {read_offset(in, "offset"), in.hex("replid", kReplidDigits)};
}

nlohmann::ordered_json to_json(const HistoryId& id) {
  return {{"offset", id.offset}, {"replid", id.replid}};
}

}  // namespace keyrewind::catalog
