#include "codec/sha256.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace keyrewind::codec {
namespace {

// The examples of NIST, FIPS 180-4.
constexpr std::string_view kOfNothing =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
constexpr std::string_view kOfAbc =
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
constexpr std::string_view kOfTwoBlocks =
    "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1";

TEST(Sha256, GivesThePublishedDigests) {
  EXPECT_EQ(sha256_hex({}), kOfNothing);
  EXPECT_EQ(sha256_hex(as_bytes("abc")), kOfAbc);
  EXPECT_EQ(sha256_hex(as_bytes("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")),
            kOfTwoBlocks);
}

TEST(Sha256, GivesTheSameHoweverTheBytesArrive) {
  Sha256 hash;

  hash.feed(as_bytes("a"));
  hash.feed({});
  hash.feed(as_bytes("bc"));

  EXPECT_EQ(hash.hex_digest(), kOfAbc);
}

TEST(Sha256, StartsAgainAfterADigest) {
  Sha256 hash;
  hash.feed(as_bytes("something else"));
  (void)hash.digest();

  hash.feed(as_bytes("abc"));

  EXPECT_EQ(to_hex(hash.digest()), kOfAbc);
  EXPECT_EQ(hash.hex_digest(), kOfNothing);
}

}  // namespace
}  // namespace keyrewind::codec
