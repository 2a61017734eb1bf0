#include "doctor/keys.h"

#include "base/bytes.h"
#include "base/error.h"
#include "catalog/repository.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

namespace keyrewind::doctor {
namespace {

constexpr const char* kCheck = "keys";

bool is_anybodys(const std::vector<codec::AgeRecipient>& recipients,
                 const codec::AgeIdentity& identity) {
  const std::string own = identity.recipient().text();
  return std::any_of(recipients.begin(), recipients.end(),
                     [&](const codec::AgeRecipient& recipient) { return recipient.text() == own; });
}

/// Why there is none, the look at the repository has said.
bool is_repository(const catalog::Catalog& catalog, const std::stop_token& stop) {
  try {
    return catalog::inspect(catalog.store(), stop) == catalog::Place::repository;
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::cancelled) {
      throw;
    }
    return false;
  }
}

/// Decrypts the first byte of the newest backup's snapshots.
void try_newest(const catalog::Catalog& catalog, Findings& findings, const std::stop_token& stop) {
  const auto backups = catalog.list(stop);
  if (backups.empty()) {
    return;
  }
  const catalog::Manifest manifest = catalog.manifest(backups.back(), stop);
  for (const catalog::Snapshot& snapshot : manifest.snapshots) {
    if (!snapshot.object.name.ends_with(store::kEncryptedSuffix)) {
      return;
    }
    Bytes first(1);
    catalog.store().read(snapshot.object.name, 0, first, stop);
  }
  findings.ok(kCheck, fmt::format("the newest backup, {}, can be decrypted", manifest.id));
}

}  // namespace

void examine_keys(const catalog::Catalog& catalog,
                  const std::vector<codec::AgeRecipient>& recipients,
                  const std::vector<codec::AgeIdentity>& identities, bool allow_plaintext,
                  Findings& findings, std::stop_token stop) {
  if (recipients.empty()) {
    findings.note(kCheck,
                  "backups are not encrypted; age-keygen -o identity.txt makes a key, whose "
                  "recipient goes into encryption.recipients");
  } else {
    findings.ok(kCheck, fmt::format("backups are encrypted to {} recipient{}", recipients.size(),
                                    recipients.size() == 1 ? "" : "s"));
  }
  if (!recipients.empty() && !identities.empty() &&
      std::none_of(identities.begin(), identities.end(), [&](const codec::AgeIdentity& identity) {
        return is_anybodys(recipients, identity);
      })) {
    findings.problem(kCheck,
                     Error(ErrorKind::config,
                           "no identity in encryption.identity_file belongs to any of "
                           "encryption.recipients: what is written now can't be read with it"));
  }
  if (!is_repository(catalog, stop)) {
    return;
  }
  catalog::check_encryption(catalog, allow_plaintext, stop);
  if (!identities.empty()) {
    try_newest(catalog, findings, stop);
  }
}

}  // namespace keyrewind::doctor
