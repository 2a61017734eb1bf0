// Feeds bytes to all readers of credentials: the shared files of AWS's tools, the metadata
// services' JSON, the XML of STS and the container's URL. They may only throw Error, in one
// printable line; what they return must be fit for a header.

#include "base/error.h"
#include "s3/answers.h"
#include "s3/metadata.h"
#include "s3/shared_files.h"
#include "s3/variables.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

namespace {

using keyrewind::ByteView;
using keyrewind::s3::Credentials;

void require(bool holds) {
  if (!holds) {
    std::abort();
  }
}

template <typename Read>
void try_to(Read read) {
  try {
    read();
  } catch (const keyrewind::Error& error) {
    const std::string_view text = error.what();
    require(!text.empty() &&
            std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c < '\x7f'; }));
  }
}

void check(const Credentials& credentials) {
  require(keyrewind::s3::is_one_word(credentials.access_key_id));
  require(keyrewind::s3::is_one_word(credentials.secret_access_key.reveal()));
  require(credentials.session_token.empty() ||
          keyrewind::s3::is_one_word(credentials.session_token.reveal()));
}

void check_shared_file(std::string_view text, keyrewind::s3::SharedFileKind kind) {
  for (const auto& [name, profile] : keyrewind::s3::parse_shared_file(text, kind, "file")) {
    require(name.find('\n') == std::string::npos);
    const std::string_view value = profile.get("aws_secret_access_key");
    require(value.find('\n') == std::string_view::npos);
    require(keyrewind::s3::trimmed(value) == value);
  }
}

/// One that is allowed without TLS goes to an address that needs no name to be looked up.
void check_container_url(const std::string& uri) {
  const keyrewind::s3::Variables variables([&](const std::string& name) {
    return name == "AWS_CONTAINER_CREDENTIALS_FULL_URI" ? std::optional(uri) : std::nullopt;
  });
  const std::string url = keyrewind::s3::container_credentials_url(variables);
  require(url.empty() || keyrewind::s3::is_one_word(url));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView bytes = std::as_bytes(std::span(data, size));
  const std::string text(keyrewind::as_text(bytes));
  try_to([&] { check_shared_file(text, keyrewind::s3::SharedFileKind::credentials); });
  try_to([&] { check_shared_file(text, keyrewind::s3::SharedFileKind::config); });
  try_to([&] { check(keyrewind::s3::read_metadata_answer(bytes, "metadata")); });
  try_to([&] { check(keyrewind::s3::read_sts_answer(bytes, "sts")); });
  try_to([&] { require(keyrewind::s3::sts_error_code(bytes).size() <= 48); });
  try_to([&] { check_container_url(text); });
  return 0;
}
