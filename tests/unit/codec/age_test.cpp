#include "codec/age.h"

#include "base/error.h"
#include "codec/age_header.h"
#include "codec/age_stream.h"
#include "codec/bech32.h"
#include "codec/sha256.h"
#include "codec/zstd_frame.h"
#include "support/paths.h"
#include "support/process.h"
#include "support/temp_dir.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace keyrewind::codec {
namespace {

using testing::HasSubstr;
using testing::Not;

// The pair that c2sp.org/age shows, and one that age-keygen made.
constexpr std::string_view kSecret =
    "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";
constexpr std::string_view kPublic =
    "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj";
constexpr std::string_view kOtherSecret =
    "AGE-SECRET-KEY-1EGTZVFFV20835NWYV6270LXYVK2VKNX2MMDKWYKLMGR48UAWX40Q2P2LM0";

std::vector<AgeIdentity> identity() {
  return {AgeIdentity(kSecret)};
}

std::vector<AgeRecipient> recipient() {
  return {AgeRecipient(kPublic)};
}

Bytes noise(std::size_t count) {
  Bytes bytes(count);
  std::uint32_t state = 1;
  for (std::byte& byte : bytes) {
    state = state * 1664525 + 1013904223;
    byte = static_cast<std::byte>(state >> 24);
  }
  return bytes;
}

/// Feeds `plain` in pieces of `piece` bytes.
Bytes encrypt(ByteView plain, const std::vector<AgeRecipient>& recipients,
              std::size_t piece = std::size_t{1} << 20U) {
  Bytes file;
  const auto emit = [&](ByteView sealed) { file.insert(file.end(), sealed.begin(), sealed.end()); };
  AgeEncryptor encryptor(recipients);
  while (!plain.empty()) {
    const ByteView some = plain.first(std::min(piece, plain.size()));
    encryptor.feed(some, emit);
    plain = plain.subspan(some.size());
  }
  encryptor.finish(emit);
  return file;
}

Error failure_of(const auto& call) {
  try {
    call();
  } catch (const Error& error) {
    return error;
  }
  return {ErrorKind::internal, "nothing was thrown"};
}

std::string recipient_failure(std::string_view text) {
  const Error error = failure_of([&] { AgeRecipient{text}; });
  EXPECT_EQ(error.kind(), ErrorKind::config);
  return error.what();
}

std::string identities_failure(std::string_view text) {
  const Error error = failure_of([&] { (void)parse_age_identities(text); });
  EXPECT_EQ(error.kind(), ErrorKind::config);
  return error.what();
}

TEST(Bech32, ReadsWhatTheStandardShows) {
  for (const char* text :
       {"A12UEL5L",
        "an83characterlonghumanreadablepartthatcontainsthenumber1andtheexcludedcharact"
        "ersbio1tt5tgs",
        "abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw",
        "split1checkupstagehandshakeupstreamerranterredcaperred2y9e3w"}) {
    EXPECT_TRUE(decode_bech32(text)) << text;
  }
  EXPECT_EQ(decode_bech32("A12UEL5L")->prefix, "A");
  EXPECT_TRUE(decode_bech32("A12UEL5L")->data.empty());
}

TEST(Bech32, RefusesWhatTheStandardRefuses) {
  for (const char* text : {"", "1", "10a06t8", "1qzzfhee", "pzry9x0s0muk", "1pzry9x0s0muk",
                           "x1b4n0q5v", "li1dgmt3", "A1G7SGD8", "a12UEL5L", "a12uel5m",
                           "\x7f"
                           "1axkwrx",
                           " 1nwldj5", "split1checkupstagehandshakeupstream"}) {
    EXPECT_FALSE(decode_bech32(text)) << text;
  }
}

TEST(Bech32, GivesBackWhatItWrote) {
  for (std::size_t count = 0; count < 70; ++count) {
    const Bytes data = noise(count);
    const std::optional<Bech32> read = decode_bech32(encode_bech32("age", data));
    ASSERT_TRUE(read) << count;
    EXPECT_EQ(read->prefix, "age");
    EXPECT_EQ(read->data, data);
  }
}

TEST(AgeIdentity, HasTheRecipientThatTheFormatSays) {
  EXPECT_EQ(AgeIdentity(kSecret).recipient().text(), kPublic);
  EXPECT_EQ(AgeIdentity(kSecret).key().reveal(), std::string(32, '\x42'));
  EXPECT_EQ(AgeRecipient(kPublic).key(), AgeIdentity(kSecret).recipient().key());
}

TEST(AgeIdentity, IsReadFromAFileOfAgeKeygen) {
  const auto identities =
      parse_age_identities("# created: 2026-11-20T13:02:21Z\n# public key: age1...\n" +
                           std::string(kSecret) + "\r\n\n  " + std::string(kOtherSecret) + "  ");

  ASSERT_EQ(identities.size(), 2U);
  EXPECT_EQ(identities[0].recipient().text(), kPublic);
}

TEST(AgeIdentity, SaysInWhichLineThereIsNone) {
  EXPECT_THAT(identities_failure("# a comment\n\nnonsense\n"),
              testing::StartsWith("line 3: this is no age identity"));
  EXPECT_THAT(identities_failure(kPublic), HasSubstr("this is a recipient"));
  EXPECT_THAT(identities_failure("AGE-PLUGIN-YUBIKEY-1ABC"), HasSubstr("plugins"));
  EXPECT_THAT(identities_failure("age-encryption.org/v1\n-> scrypt"),
              HasSubstr("encrypted itself"));
  EXPECT_THAT(identities_failure("# nothing\n"), HasSubstr("no age identity in it"));
  EXPECT_THAT(identities_failure(""), HasSubstr("no age identity in it"));
}

TEST(AgeIdentity, IsNeverRepeatedInAnError) {
  for (std::size_t changed = 0; changed < kSecret.size(); ++changed) {
    std::string text(kSecret);
    text[changed] = text[changed] == 'Q' ? 'P' : 'Q';
    for (const std::string& message : {identities_failure(text), recipient_failure(text)}) {
      EXPECT_THAT(message, Not(HasSubstr(text.substr(20, 8)))) << changed;
    }
  }
  std::string lower(kSecret);
  std::ranges::transform(lower, lower.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  EXPECT_THAT(identities_failure(lower), Not(HasSubstr(lower.substr(20, 8))));
  EXPECT_THAT(recipient_failure(kSecret), HasSubstr("secret key"));
  EXPECT_THAT(recipient_failure(kSecret), Not(HasSubstr(kSecret.substr(20, 8))));
}

TEST(AgeRecipient, SaysWhyItIsNone) {
  EXPECT_THAT(recipient_failure(""), HasSubstr("begins with age1"));
  EXPECT_THAT(recipient_failure(std::string(kPublic) + "q"), HasSubstr("begins with age1"));
  EXPECT_THAT(recipient_failure(kPublic.substr(0, 40)), HasSubstr("all of it"));
  EXPECT_THAT(recipient_failure("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5"), HasSubstr("SSH"));
  EXPECT_THAT(recipient_failure("age1yubikey1qwt50d05nh5vutpdzmlg5wn80xq5negm4uj9ghv0snvdd3yysf5"
                                "yw3rhl3t"),
              HasSubstr("plugins"));
  EXPECT_THAT(recipient_failure(encode_bech32("age", noise(31))), HasSubstr("begins with age1"));
}

TEST(AgeRecipient, OfLowOrderIsRefused) {
  Bytes one(32);
  one[0] = std::byte{1};
  for (const Bytes& point : {Bytes(32), one}) {
    EXPECT_THAT(recipient_failure(encode_bech32("age", point)), HasSubstr("keeps nothing secret"));
  }
}

TEST(Age, GivesBackWhatWasEncryptedHoweverItArrived) {
  for (const std::size_t count :
       {std::size_t{0}, std::size_t{1}, kAgeChunkBytes - 1, kAgeChunkBytes, kAgeChunkBytes + 1,
        2 * kAgeChunkBytes, 4 * kAgeChunkBytes, 5 * kAgeChunkBytes + 7, std::size_t{1'000'003}}) {
    const Bytes plain = noise(count);
    for (const std::size_t piece :
         {std::size_t{97}, kAgeChunkBytes - 1, kAgeChunkBytes, kAgeChunkBytes + 1,
          3 * kAgeChunkBytes, std::size_t{1} << 21U}) {
      const Bytes file = encrypt(plain, recipient(), piece);
      ASSERT_TRUE(decrypt_age(file, identity()) == plain) << count << " bytes by " << piece;
    }
  }
}

TEST(Age, IsReadByEachOfItsRecipientsAndByNobodyElse) {
  const AgeIdentity other(kOtherSecret);
  const Bytes both = encrypt(as_bytes("text"), {AgeRecipient(kPublic), other.recipient()});
  const Bytes one = encrypt(as_bytes("text"), recipient());

  EXPECT_TRUE(decrypt_age(both, identity()));
  EXPECT_TRUE(decrypt_age(both, {other}));
  EXPECT_TRUE(decrypt_age(one, {other, AgeIdentity(kSecret)}));
  EXPECT_FALSE(decrypt_age(one, {other}));
  EXPECT_FALSE(decrypt_age(one, {}));
}

TEST(Age, NeverWritesTheSameTwice) {
  EXPECT_NE(encrypt(as_bytes("text"), recipient()), encrypt(as_bytes("text"), recipient()));
}

TEST(Age, WithAnyByteChangedIsRefused) {
  const Bytes plain = noise(100);
  const Bytes file = encrypt(plain, recipient());
  for (std::size_t at = 0; at < file.size(); ++at) {
    for (const int change : {1, 0x20, 0x80, 0xff}) {
      Bytes bad = file;
      bad[at] ^= static_cast<std::byte>(change);
      try {
        EXPECT_EQ(decrypt_age(bad, identity()), std::nullopt) << "byte " << at;
      } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::corrupt);
      }
    }
  }
}

TEST(Age, CutShortOrLengthenedAnywhereIsRefused) {
  const Bytes file = encrypt(noise(2 * kAgeChunkBytes + 5), recipient());
  const auto expect_refused = [&](const Bytes& bad) {
    EXPECT_EQ(failure_of([&] { (void)decrypt_age(bad, identity()); }).kind(), ErrorKind::corrupt)
        << bad.size() << " bytes";
  };
  const std::size_t begin = file.size() - 2 * kSealedChunkBytes - 21;
  for (std::size_t length = 0; length < begin + 20; ++length) {
    expect_refused({file.begin(), file.begin() + static_cast<std::ptrdiff_t>(length)});
  }
  for (const std::size_t length :
       {begin + kSealedChunkBytes - 1, begin + kSealedChunkBytes, begin + kSealedChunkBytes + 1,
        begin + 2 * kSealedChunkBytes, begin + 2 * kSealedChunkBytes + 16, file.size() - 1}) {
    expect_refused({file.begin(), file.begin() + static_cast<std::ptrdiff_t>(length)});
  }
  Bytes longer = file;
  longer.resize(file.size() + 1);
  expect_refused(longer);
}

TEST(Age, WithChunksInAnotherOrderIsRefused) {
  const Bytes file = encrypt(noise(3 * kAgeChunkBytes), recipient());
  const auto begin = file.end() - static_cast<std::ptrdiff_t>(3 * kSealedChunkBytes);
  Bytes swapped = file;
  const auto first = swapped.end() - (file.end() - begin);
  std::swap_ranges(first, first + kSealedChunkBytes, first + kSealedChunkBytes);

  EXPECT_EQ(failure_of([&] { (void)decrypt_age(swapped, identity()); }).kind(), ErrorKind::corrupt);
}

TEST(AgeHeader, IsReadOnceAllOfItIsThere) {
  const Bytes file = encrypt(as_bytes("text"), recipient());
  const std::size_t bytes = AgeHeader::parse(file)->bytes();
  for (std::size_t length = 0; length < file.size(); ++length) {
    EXPECT_EQ(AgeHeader::parse(ByteView(file).first(length)).has_value(), length >= bytes);
  }
}

TEST(AgeHeader, OfAnyLengthIsReadUpToALimit) {
  std::string text = "age-encryption.org/v1\n-> grease\n";
  const std::string line(64, 'A');
  while (text.size() < kMaxAgeHeaderBytes) {
    EXPECT_FALSE(AgeHeader::parse(as_bytes(text)));
    text += line + "\n";
  }
  const Error error = failure_of([&] { (void)AgeHeader::parse(as_bytes(text)); });
  EXPECT_STREQ(error.what(), "its age header has no end");
  EXPECT_EQ(error.kind(), ErrorKind::corrupt);
}

TEST(AgeLayout, IsThatOfNoPayloadWithAnEmptyEnd) {
  EXPECT_FALSE(AgeLayout::of(0));
  EXPECT_FALSE(AgeLayout::of(15));
  EXPECT_EQ(AgeLayout::of(16)->plain_bytes, 0U);
  EXPECT_EQ(AgeLayout::of(kSealedChunkBytes)->chunks, 1U);
  EXPECT_FALSE(AgeLayout::of(kSealedChunkBytes + 16));
  EXPECT_EQ(AgeLayout::of(kSealedChunkBytes + 17)->plain_bytes, kAgeChunkBytes + 1);
  EXPECT_EQ(AgeLayout::of(2 * kSealedChunkBytes)->plain_bytes, 2 * kAgeChunkBytes);
}

/// A published vector: lines of "key: value", an empty one, the file.
struct Vector {
  std::map<std::string, std::string> says;
  Bytes file;
};

const std::filesystem::path kVectors = test::source_dir() / "tests/data/age";

Bytes read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string text(std::istreambuf_iterator<char>(file), {});
  const ByteView bytes = as_bytes(text);
  return {bytes.begin(), bytes.end()};
}

void write_file(const std::filesystem::path& path, ByteView content) {
  std::ofstream(path, std::ios::binary) << as_text(content);
}

Vector read_vector(const std::string& name) {
  Vector vector;
  const Bytes content = read_file(kVectors / name);
  std::string_view rest = as_text(content);
  while (!rest.starts_with('\n')) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(line.size() + 1);
    const std::size_t colon = line.find(": ");
    vector.says[std::string(line.substr(0, colon))] = line.substr(colon + 2);
  }
  const ByteView body = as_bytes(rest.substr(1));
  vector.file.assign(body.begin(), body.end());
  if (vector.says.contains("compressed")) {
    const std::size_t bytes = stated_raw_bytes(body);
    FrameInflater().inflate(body, bytes, vector.file);
  }
  return vector;
}

std::vector<std::string> vector_names() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(kVectors)) {
    if (entry.path().extension() != ".md") {
      names.push_back(entry.path().filename());
    }
  }
  std::ranges::sort(names);
  return names;
}

class AgeVector : public testing::TestWithParam<std::string> {};

TEST_P(AgeVector, EndsAsPublished) {
  const Vector vector = read_vector(GetParam());
  const auto secret = vector.says.find("identity");
  const std::vector<AgeIdentity> identities =
      parse_age_identities(secret == vector.says.end() ? kSecret : secret->second);
  const std::string& expected = vector.says.at("expect");
  const auto decrypt = [&] { return decrypt_age(vector.file, identities); };

  if (expected == "success") {
    const std::optional<Bytes> plain = decrypt();
    ASSERT_TRUE(plain);
    EXPECT_EQ(sha256_hex(*plain), vector.says.at("payload"));
  } else if (expected == "no match") {
    EXPECT_EQ(decrypt(), std::nullopt);
  } else {
    const Error error = failure_of(decrypt);
    EXPECT_EQ(error.kind(), ErrorKind::corrupt) << error.what();
    EXPECT_EQ(std::string_view(error.what()).starts_with("its age header is not as it was written"),
              expected == "HMAC failure")
        << error.what();
  }
}

INSTANTIATE_TEST_SUITE_P(Published, AgeVector, testing::ValuesIn(vector_names()),
                         [](const auto& vector) { return vector.param; });

/// The program `age` as Debian packages it.
class AgeProgram : public testing::Test {
 protected:
  void SetUp() override {
    if (::access("/usr/bin/age", X_OK) == 0 && ::access("/usr/bin/age-keygen", X_OK) == 0) {
      return;
    }
    const char* required = std::getenv("KEYREWIND_REQUIRE_SERVERS");
    if (required != nullptr && std::string_view(required) == "1") {
      FAIL() << "age is not on this machine, and KEYREWIND_REQUIRE_SERVERS=1 wants it";
    }
    GTEST_SKIP() << "age is not on this machine; install Debian's package age";
  }

  /// Runs it in a folder of the test's own.
  std::string run(std::vector<std::string> command) {
    const test::RunResult result = test::run({.command = std::move(command), .cwd = dir_.path()});
    EXPECT_EQ(result.status, 0) << result.err;
    return result.out;
  }

  /// A new pair of keys: the identity in the file "key".
  AgeIdentity make_identity(const std::string& name) {
    run({"age-keygen", "-o", name});
    return parse_age_identities(as_text(read_file(dir_ / name))).at(0);
  }

  std::filesystem::path in_dir(const std::string& name) const { return dir_ / name; }

 private:
  test::TempDir dir_;
};

TEST_F(AgeProgram, SaysTheSameRecipient) {
  const AgeIdentity identity = make_identity("key");

  EXPECT_EQ(run({"age-keygen", "-y", "key"}), identity.recipient().text() + "\n");
}

TEST_F(AgeProgram, ReadsWhatWeEncrypt) {
  const AgeIdentity first = make_identity("first");
  const AgeIdentity second = make_identity("second");
  for (const std::size_t count : {std::size_t{0}, std::size_t{1}, kAgeChunkBytes,
                                  kAgeChunkBytes + 1, std::size_t{3'000'000}}) {
    const Bytes plain = noise(count);
    write_file(in_dir("file.age"), encrypt(plain, {first.recipient(), second.recipient()}));
    for (const char* key : {"first", "second"}) {
      run({"age", "-d", "-i", key, "-o", "plain", "file.age"});
      EXPECT_TRUE(read_file(in_dir("plain")) == plain) << count << " bytes with the " << key;
    }
  }
}

TEST_F(AgeProgram, WritesWhatWeRead) {
  const AgeIdentity first = make_identity("first");
  const AgeIdentity second = make_identity("second");
  for (const std::size_t count : {std::size_t{0}, std::size_t{1}, kAgeChunkBytes,
                                  kAgeChunkBytes + 1, std::size_t{3'000'000}}) {
    const Bytes plain = noise(count);
    write_file(in_dir("plain"), plain);
    run({"age", "-r", first.recipient().text(), "-r", second.recipient().text(), "-o", "file.age",
         "plain"});
    const Bytes file = read_file(in_dir("file.age"));
    for (const AgeIdentity& identity : {first, second}) {
      EXPECT_TRUE(decrypt_age(file, {identity}) == plain) << count << " bytes";
    }
  }
}

}  // namespace
}  // namespace keyrewind::codec
