#pragma once

#include "base/bytes.h"
#include "base/clock.h"
#include "http/client.h"
#include "s3/credentials.h"

#include <string>
#include <string_view>

/// Signature Version 4, as AWS documents it under "Signature Version 4 signing process". s3.md says
/// why libcurl's own is not used.
namespace keyrewind::s3 {

/// What stands for a payload that is not signed.
inline constexpr std::string_view kUnsignedPayload = "UNSIGNED-PAYLOAD";

/// Percent-encodes all but A-Z a-z 0-9 - . _ ~ with upper-case digits; '/' stays if `keep_slash`.
std::string uri_encode(std::string_view text, bool keep_slash);

struct SigningScope {
  std::string region;
  std::string service = "s3";
};

/// Adds host, x-amz-date, x-amz-content-sha256 (of the service s3 alone), x-amz-security-token (if
/// there is one) and authorization to the headers of `request`, whose URL has its path and query
/// encoded as `uri_encode` does; the query's names need no order. All headers that it has are
/// signed; those of an earlier signature are replaced. `payload_sha256` is lower-case hexadecimal
/// or kUnsignedPayload. Throws Error(config) if the URL is none.
void sign(http::Request& request, std::string_view payload_sha256, const Credentials& credentials,
          const SigningScope& scope, Timestamp now);

}  // namespace keyrewind::s3
