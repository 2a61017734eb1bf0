#pragma once

#include "catalog/catalog.h"
#include "codec/age.h"
#include "doctor/findings.h"

#include <stop_token>
#include <vector>

namespace keyrewind::doctor {

/// Looks whether what is written is encrypted as before, whether the identities that are here read
/// what is written now, and whether they read the newest backup. `catalog` is opened with them.
void examine_keys(const catalog::Catalog& catalog,
                  const std::vector<codec::AgeRecipient>& recipients,
                  const std::vector<codec::AgeIdentity>& identities, bool allow_plaintext,
                  Findings& findings, std::stop_token stop);

}  // namespace keyrewind::doctor
