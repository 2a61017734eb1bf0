#pragma once

#include "base/bytes.h"
#include "rdb/lengths.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace keyrewind::rdb {

/// The text of a string whose stored bytes are `stored`: integers are written out, compressed text
/// is inflated. Nothing if the bytes do not fit the encoding, or if the text were longer than
/// `longest` bytes.
std::optional<std::string> text_of(ByteView stored, Encoding encoding, std::uint64_t inflated,
                                   std::uint64_t longest);

/// The name that a function library gives itself in the first line of its code,
/// `#!<engine> name=<name>` (Redis src/functions.c); "?" if it does not.
std::string library_name(std::string_view code);

/// The name of a module type from its id: nine letters of six bits above ten bits of version
/// (Redis src/module.c, ModuleTypeNameCharSet).
std::string module_name(std::uint64_t id);

}  // namespace keyrewind::rdb
