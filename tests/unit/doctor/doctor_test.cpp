// What the doctor finds in stores, keys and folders; the source and a real store are
// tests/integration/doctor_test.cpp's.

#include "catalog/catalog.h"
#include "catalog/repository.h"
#include "doctor/keys.h"
#include "doctor/repository.h"
#include "doctor/spool.h"
#include "store/encrypted_store.h"
#include "store/file_store.h"
#include "store/memory_store.h"
#include "support/faulty_store.h"
#include "support/manual_clock.h"
#include "support/temp_dir.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

namespace keyrewind::doctor {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::string_view kSecret =
    "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";
constexpr std::string_view kOtherSecret =
    "AGE-SECRET-KEY-1EGTZVFFV20835NWYV6270LXYVK2VKNX2MMDKWYKLMGR48UAWX40Q2P2LM0";

std::vector<std::string> said(const Findings& findings, Outcome outcome) {
  std::vector<std::string> messages;
  for (const Finding& finding : findings.all()) {
    if (finding.outcome == outcome) {
      messages.push_back(finding.message);
    }
  }
  return messages;
}

TEST(DoctorOfARepository, FindsThatEverythingWorksAndLeavesNothingBehind) {
  store::MemoryStore store;
  Findings findings;
  examine_repository("repository", store, {}, findings, {});
  EXPECT_FALSE(findings.first_problem());
  EXPECT_THAT(said(findings, Outcome::ok), Contains(HasSubstr("is empty; the first run")));
  EXPECT_THAT(said(findings, Outcome::ok), Contains(HasSubstr("multipart upload, abort")));
  EXPECT_THAT(store.list("", {}), IsEmpty());
}

TEST(DoctorOfARepository, FindsWhicheverOperationFails) {
  for (std::uint64_t call = 1; call < 40; ++call) {
    store::MemoryStore store;
    test::FaultyStore faulty(
        store, {.mode = test::Fault::Mode::fail_before, .call = call, .kind = ErrorKind::denied});
    Findings findings;
    examine_repository("copy dr", faulty, {}, findings, {});
    if (faulty.calls() < call) {
      EXPECT_GT(call, 10U);
      return;
    }
    EXPECT_THAT(said(findings, Outcome::problem), SizeIs(1)) << call;
    EXPECT_EQ(findings.all().back().check, "copy dr");
  }
  ADD_FAILURE() << "more calls than were thought of";
}

TEST(DoctorOfARepository, DoesNotMakeAFolder) {
  const test::TempDir folder;
  store::FileStore store(folder / "repository");
  Findings findings;
  examine_repository("repository", store, {}, findings, {});
  EXPECT_THAT(said(findings, Outcome::ok), Contains(HasSubstr("the first run makes it")));
  EXPECT_FALSE(std::filesystem::exists(folder / "repository"));
}

TEST(DoctorOfARepository, SaysOnceThatItIsNotThere) {
  const test::TempDir folder;
  store::FileStore store(folder / "nothing" / "repository");
  Findings findings;
  examine_repository("repository", store, {}, findings, {});
  EXPECT_THAT(said(findings, Outcome::problem), SizeIs(1));
}

class DoctorOfKeys : public testing::Test {
 protected:
  void examine(const std::vector<codec::AgeRecipient>& recipients,
               const std::vector<codec::AgeIdentity>& identities) {
    store::EncryptedStore store(std::make_unique<test::FaultyStore>(stored_), recipients,
                                identities);
    const catalog::Catalog catalog(store, "orders");
    findings_.look("keys",
                   [&] { examine_keys(catalog, recipients, identities, false, findings_, {}); });
  }

  store::MemoryStore stored_;
  Findings findings_;
};

TEST_F(DoctorOfKeys, NotesThatNothingIsEncrypted) {
  examine({}, {});
  EXPECT_THAT(said(findings_, Outcome::note), Contains(HasSubstr("age-keygen")));
}

TEST_F(DoctorOfKeys, FindsAnIdentityThatFitsNoRecipient) {
  examine({codec::AgeIdentity(kSecret).recipient()}, {codec::AgeIdentity(kOtherSecret)});
  EXPECT_THAT(said(findings_, Outcome::problem), Contains(HasSubstr("can't be read with it")));
}

TEST_F(DoctorOfKeys, FindsThatEncryptionWasLost) {
  const test::ManualClock clock(Timestamp(std::chrono::hours(1)));
  catalog::ensure_repository(stored_, clock, {});
  stored_.put_if_absent(
      "sources/orders/shards/0/lineages/75a4f1c0b3c94b0bd7ab1b34c2d3f6e88c5f2a10/snapshots/"
      "00000000000000001234-20261120T130221Z-0a1b2c.rdb.zst.age",
      as_bytes(std::string("x")), {});
  examine({}, {});
  EXPECT_THAT(said(findings_, Outcome::problem), Contains(HasSubstr("encryption")));
}

TEST(DoctorOfTheSpool, MeasuresItsDiskAndLeavesNothingBehind) {
  const test::TempDir folder;
  Findings findings;
  examine_spool(folder / "not" / "there", 1U << 20U, findings);
  EXPECT_FALSE(findings.first_problem());
  EXPECT_THAT(said(findings, Outcome::ok), Contains(HasSubstr("free for log.spool.max_size")));
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(DoctorOfTheSpool, NotesThatItsDiskIsTooSmall) {
  const test::TempDir folder;
  Findings findings;
  examine_spool(folder.path(), 1ULL << 60U, findings);
  EXPECT_THAT(said(findings, Outcome::note), Contains(HasSubstr("give it more room")));
}

}  // namespace
}  // namespace keyrewind::doctor
