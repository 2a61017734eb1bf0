#include "replica/position.h"

namespace keyrewind::replica {

bool is_replid(std::string_view text) noexcept {
  constexpr std::size_t kDigits = 40;
  return text.size() == kDigits &&
         text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace keyrewind::replica
