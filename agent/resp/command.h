#pragma once

#include "base/bytes.h"

#include <initializer_list>
#include <string_view>

namespace keyrewind::resp {

/// A command as the bytes that go to a server: an array of bulk strings.
Bytes encode_command(std::initializer_list<std::string_view> words);

}  // namespace keyrewind::resp
