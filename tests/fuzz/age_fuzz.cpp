// Files in the age format and keys as text: whatever they hold, reading ends in a value, in "for
// somebody else", or in Error(corrupt | config). The first byte of an input says what the rest is.

#include "base/bytes.h"
#include "base/error.h"
#include "codec/age.h"
#include "codec/age_header.h"
#include "codec/age_stream.h"
#include "codec/bech32.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace {

using keyrewind::as_text;
using keyrewind::Bytes;
using keyrewind::ByteView;
using keyrewind::ErrorKind;
namespace codec = keyrewind::codec;

void require(bool holds) {
  if (!holds) {
    std::abort();
  }
}

/// The identity for which the files of the corpus are encrypted.
const std::vector<codec::AgeIdentity>& identities() {
  static const std::vector<codec::AgeIdentity> identities = {codec::AgeIdentity(
      "AGE-SECRET-KEY-1EGTZVFFV20835NWYV6270LXYVK2VKNX2MMDKWYKLMGR48UAWX40Q2P2LM0")};
  return identities;
}

void try_file(ByteView file) {
  if (const std::optional<Bytes> plain = codec::decrypt_age(file, identities())) {
    require(plain->size() < file.size());
  }
}

void try_header(ByteView beginning) {
  const std::optional<codec::AgeHeader> header = codec::AgeHeader::parse(beginning);
  if (!header) {
    return;
  }
  require(header->bytes() <= beginning.size());
  const auto again = codec::AgeHeader::parse(beginning.first(header->bytes()));
  require(again && again->bytes() == header->bytes());
  require(!codec::AgeHeader::parse(beginning.first(header->bytes() - 1)));
}

/// A payload with the key that a fuzzer can't find.
void try_payload(ByteView sealed) {
  const keyrewind::Secret key(std::string(32, 'k'));
  (void)codec::open_age_chunks(key, sealed);
}

void try_keys(ByteView text) {
  if (const auto decoded = codec::decode_bech32(as_text(text))) {
    const auto again = codec::decode_bech32(codec::encode_bech32("age", decoded->data));
    require(again && again->data == decoded->data);
  }
  for (const codec::AgeIdentity& identity : codec::parse_age_identities(as_text(text))) {
    require(codec::AgeRecipient(identity.recipient().text()).key() == identity.recipient().key());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  const ByteView input = std::as_bytes(std::span(data, size)).subspan(1);
  try {
    switch (data[0] % 4) {
      case 0:
        try_file(input);
        break;
      case 1:
        try_header(input);
        break;
      case 2:
        try_payload(input);
        break;
      default:
        try_keys(input);
        break;
    }
  } catch (const keyrewind::Error& error) {
    require(error.kind() == ErrorKind::corrupt || error.kind() == ErrorKind::config);
  }
  return 0;
}
