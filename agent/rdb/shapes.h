#pragma once

#include "rdb/summary.h"

#include <cstdint>

/// The table of what an RDB consists of: for the first byte of a record, the atoms that follow it
/// (protocol.md 5.3 and 5.4).
namespace keyrewind::rdb {

/// One step along a record. A step is an atom to skip, a repetition of steps, or an atom whose
/// value is worth a look.
struct Step {
  enum class Kind : std::uint8_t {
    string,
    length,
    bytes,          ///< `size` of them.
    score,          ///< One byte that says how many ASCII digits follow, if any.
    container,      ///< A length that says how a list node is stored; 1 and 2 are known.
    repeat,         ///< A length, then the `size` steps of `body` that many times.
    module_items,   ///< What a module wrote, up to its end mark.
    module_id,      ///< A length that names the module of a key …
    module_aux_id,  ///< … or of auxiliary data.
    database,       ///< A length: the number of the database that the next keys are in.
    aux_name,       ///< Strings to keep.
    aux_value,
    function,
  };

  Kind kind = Kind::string;
  std::uint8_t size = 0;
  const Step* body = nullptr;
};

struct Shape {
  enum class Role : std::uint8_t {
    unknown,
    key,     ///< A type byte: the steps are those of key and value.
    expiry,  ///< Says when the next key expires.
    other,
    end,  ///< The record that ends the RDB.
  };

  Role role = Role::unknown;
  ValueType type = ValueType::string;  ///< Of Role::key.
  bool single_string = false;          ///< Of Role::key: the value is stored as one string.
  bool has_field_ttl = false;          ///< Of Role::key.
  std::uint8_t size = 0;
  const Step* steps = nullptr;
};

/// First bytes from here on are opcodes, below they are value types.
inline constexpr int kFirstOpcode = 200;

/// The shapes for each first byte. Redis and Valkey give some of them different meanings.
const Shape* shapes_of_redis() noexcept;
const Shape* shapes_of_valkey() noexcept;

/// The one step that follows the mark `kind` of a module's item (src/rdb.h RDB_MODULE_OPCODE_*);
/// null if the mark is not known.
const Step* module_item(std::uint64_t kind) noexcept;

}  // namespace keyrewind::rdb
