// What a store answers, from whoever may be at that address: any bytes give a document or
// Error(protocol), and what is shown to people is one line of printable characters.
#include "base/error.h"
#include "s3/xml.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>

namespace {

using keyrewind::ByteView;

void check(bool holds) {
  if (!holds) {
    std::abort();
  }
}

template <typename Read>
void expect_protocol_error_at_most(Read read) {
  try {
    read();
  } catch (const keyrewind::Error& error) {
    check(error.kind() == keyrewind::ErrorKind::protocol);
  }
}

bool is_printable(const std::string& text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace keyrewind::s3;
  const ByteView body = std::as_bytes(std::span(data, size));
  if (const auto error = read_error(body)) {
    check(is_printable(error->code) && is_printable(error->message) && is_printable(error->region));
  }
  expect_protocol_error_at_most([&] { (void)read_list_page(body); });
  expect_protocol_error_at_most([&] { (void)read_uploads_page(body); });
  expect_protocol_error_at_most([&] { (void)read_upload_id(body); });
  expect_protocol_error_at_most([&] { (void)read_copied_etag(body); });
  expect_protocol_error_at_most([&] { (void)read_delete_result(body); });
  return 0;
}
