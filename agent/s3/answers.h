#pragma once

#include "base/bytes.h"
#include "s3/credentials.h"

#include <string>

/// What services that give credentials answer. None of the errors here repeats any of an answer:
/// such services echo tokens.
namespace keyrewind::s3 {

/// The JSON of the container's and the instance's metadata. `who` is for errors and becomes
/// Credentials::provider. Throws Error(Side::repository, denied) if it says that there are none,
/// protocol if it is anything else.
Credentials read_metadata_answer(ByteView body, const std::string& who);

/// The XML of STS to AssumeRole and AssumeRoleWithWebIdentity. Throws the same.
Credentials read_sts_answer(ByteView body, const std::string& who);

/// The <Code> of an error in XML, such as "AccessDenied"; empty if there is none that looks like
/// one.
std::string sts_error_code(ByteView body);

}  // namespace keyrewind::s3
