#pragma once

#include "base/bytes.h"

#include <optional>
#include <string>
#include <string_view>

namespace keyrewind::codec {

/// What a Bech32 text says (BIP 173, but of any length, as age uses it).
struct Bech32 {
  std::string prefix;  ///< Before the last '1', in the case that the text has.
  Bytes data;
};

/// Nothing if `text` is no Bech32: mixed case, a foreign character, a wrong checksum or padding.
std::optional<Bech32> decode_bech32(std::string_view text);

/// In lower case; `prefix` is in lower case, too.
std::string encode_bech32(std::string_view prefix, ByteView data);

}  // namespace keyrewind::codec
