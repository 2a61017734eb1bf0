#include "resp/reply.h"

namespace keyrewind::resp {

std::string_view Reply::error_code() const noexcept {
  if (!is_error()) {
    return {};
  }
  const std::string_view all = text;
  return all.substr(0, all.find(' '));
}

const Reply* Reply::find(std::string_view key) const noexcept {
  for (std::size_t i = 0; i + 1 < elements.size(); i += 2) {
    const bool is_name = elements[i].kind == Kind::text || elements[i].kind == Kind::status;
    if (is_name && elements[i].text == key) {
      return &elements[i + 1];
    }
  }
  return nullptr;
}

}  // namespace keyrewind::resp
