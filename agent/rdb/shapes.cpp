#include "rdb/shapes.h"

#include <array>

namespace keyrewind::rdb {
namespace {

using Kind = Step::Kind;

constexpr Step kString{Kind::string};
constexpr Step kLength{Kind::length};
constexpr Step kModuleItems{Kind::module_items};

constexpr Step bytes(std::uint8_t count) {
  return {Kind::bytes, count};
}

template <std::size_t Size>
constexpr Step repeat(const std::array<Step, Size>& body) {
  return {Kind::repeat, Size, body.data()};
}

constexpr std::array kOneString = {kString};
constexpr std::array kTwoStrings = {kString, kString};
constexpr std::array kTwoLengths = {kLength, kLength};

constexpr std::array kAsciiScored = {kString, Step{Kind::score}};
constexpr std::array kBinaryScored = {kString, bytes(8)};
constexpr std::array kListNode = {Step{Kind::container}, kString};
constexpr std::array kFieldWithExpiry = {kString, kString, bytes(8)};
constexpr std::array kFieldWithTtl = {kLength, kString, kString};

// A consumer group: name, last id, (entries read,) its pending entries, its consumers with theirs.
constexpr std::array kPending = {bytes(16 + 8), kLength};
constexpr std::array kPendingId = {bytes(16)};
constexpr std::array kConsumer = {kString, bytes(8), repeat(kPendingId)};
constexpr std::array kConsumerWithActiveTime = {kString, bytes(8 + 8), repeat(kPendingId)};
constexpr std::array kGroup1 = {kString, kLength, kLength, repeat(kPending), repeat(kConsumer)};
constexpr std::array kGroup2 = {kString, kLength,          kLength,
                                kLength, repeat(kPending), repeat(kConsumer)};
constexpr std::array kGroup3 = {kString, kLength,          kLength,
                                kLength, repeat(kPending), repeat(kConsumerWithActiveTime)};

// Every key: its name, then its value.
constexpr std::array kAsString = {kString, kString};
constexpr std::array kAsStrings = {kString, repeat(kOneString)};
constexpr std::array kAsPairs = {kString, repeat(kTwoStrings)};
constexpr std::array kZset = {kString, repeat(kAsciiScored)};
constexpr std::array kZset2 = {kString, repeat(kBinaryScored)};
constexpr std::array kQuicklist2 = {kString, repeat(kListNode)};
constexpr std::array kModule = {kString, Step{Kind::module_id}, kModuleItems};
constexpr std::array kValkeyHash2 = {kString, repeat(kFieldWithExpiry)};
constexpr std::array kHashWithTtl = {kString, repeat(kFieldWithTtl)};
constexpr std::array kHashWithTtlFrom = {kString, bytes(8), repeat(kFieldWithTtl)};
constexpr std::array kPackedHashWithTtl = {kString, bytes(8), kString};
// Entries; number of items and last id, then (from 2 on) first id, highest deleted id and number
// of items ever added; groups.
constexpr std::array kStream1 = {kString, repeat(kTwoStrings), kLength, kLength,
                                 kLength, repeat(kGroup1)};
constexpr std::array kStream2 = {
    kString, repeat(kTwoStrings), kLength, kLength, kLength, kLength, kLength, kLength, kLength,
    kLength, repeat(kGroup2)};
constexpr std::array kStream3 = {
    kString, repeat(kTwoStrings), kLength, kLength, kLength, kLength, kLength, kLength, kLength,
    kLength, repeat(kGroup3)};

constexpr std::array kOneLength = {kLength};
constexpr std::array kThreeLengths = {kLength, kLength, kLength};
constexpr std::array kOneByte = {bytes(1)};
constexpr std::array kSeconds = {bytes(4)};
constexpr std::array kMilliseconds = {bytes(8)};
constexpr std::array kSlotImport = {kString, repeat(kTwoLengths)};
constexpr std::array kFunction = {Step{Kind::function}};
// The number that follows the id, 2, marks the next one as an item: `when` the module wrote it.
constexpr std::array kModuleAux = {Step{Kind::module_aux_id}, kModuleItems};
constexpr std::array kAux = {Step{Kind::aux_name}, Step{Kind::aux_value}};
constexpr std::array kDatabase = {Step{Kind::database}};

constexpr std::array kModuleItem = {kLength, kLength, bytes(4), bytes(8), kString};

template <std::size_t Size>
constexpr Shape key(ValueType type, const std::array<Step, Size>& steps) {
  return {.role = Shape::Role::key, .type = type, .size = Size, .steps = steps.data()};
}

constexpr Shape packed_key(ValueType type) {
  Shape shape = key(type, kAsString);
  shape.single_string = true;
  return shape;
}

template <std::size_t Size>
constexpr Shape hash_with_field_ttl(const std::array<Step, Size>& steps) {
  Shape shape = key(ValueType::hash, steps);
  shape.has_field_ttl = true;
  return shape;
}

template <std::size_t Size>
constexpr Shape record(const std::array<Step, Size>& steps, Shape::Role role = Shape::Role::other) {
  return {.role = role, .size = Size, .steps = steps.data()};
}

using Shapes = std::array<Shape, 256>;

/// What Redis 7.0 and Valkey agree on. Source: src/rdb.h RDB_TYPE_* and RDB_OPCODE_*.
constexpr Shapes common_shapes() {
  Shapes shapes{};
  shapes[0] = packed_key(ValueType::string);
  shapes[1] = key(ValueType::list, kAsStrings);
  shapes[2] = key(ValueType::set, kAsStrings);
  shapes[3] = key(ValueType::zset, kZset);
  shapes[4] = key(ValueType::hash, kAsPairs);
  shapes[5] = key(ValueType::zset, kZset2);
  shapes[7] = key(ValueType::module, kModule);
  shapes[9] = packed_key(ValueType::hash);
  shapes[10] = packed_key(ValueType::list);
  shapes[11] = packed_key(ValueType::set);
  shapes[12] = packed_key(ValueType::zset);
  shapes[13] = packed_key(ValueType::hash);
  shapes[14] = key(ValueType::list, kAsStrings);
  shapes[15] = key(ValueType::stream, kStream1);
  shapes[16] = packed_key(ValueType::hash);
  shapes[17] = packed_key(ValueType::zset);
  shapes[18] = key(ValueType::list, kQuicklist2);
  shapes[19] = key(ValueType::stream, kStream2);
  shapes[20] = packed_key(ValueType::set);
  shapes[21] = key(ValueType::stream, kStream3);

  shapes[244] = record(kThreeLengths);  // slot, keys, keys with expiry
  shapes[245] = record(kFunction);
  shapes[247] = record(kModuleAux);
  shapes[248] = record(kOneLength);  // seconds idle
  shapes[249] = record(kOneByte);    // frequency
  shapes[250] = record(kAux);
  shapes[251] = record(kTwoLengths);  // sizes of the database's tables
  shapes[252] = record(kMilliseconds, Shape::Role::expiry);
  shapes[253] = record(kSeconds, Shape::Role::expiry);
  shapes[254] = record(kDatabase);
  shapes[255].role = Shape::Role::end;
  return shapes;
}

constexpr Shapes redis_shapes() {
  Shapes shapes = common_shapes();
  shapes[22] = hash_with_field_ttl(kHashWithTtl);  // 7.4 release candidates
  shapes[23] = packed_key(ValueType::hash);        // the same
  shapes[23].has_field_ttl = true;
  shapes[24] = hash_with_field_ttl(kHashWithTtlFrom);
  shapes[25] = hash_with_field_ttl(kPackedHashWithTtl);
  return shapes;
}

constexpr Shapes valkey_shapes() {
  Shapes shapes = common_shapes();
  shapes[22] = hash_with_field_ttl(kValkeyHash2);
  shapes[243] = record(kSlotImport);
  return shapes;
}

constexpr Shapes kRedis = redis_shapes();
constexpr Shapes kValkey = valkey_shapes();

}  // namespace

const Shape* shapes_of_redis() noexcept {
  return kRedis.data();
}

const Shape* shapes_of_valkey() noexcept {
  return kValkey.data();
}

const Step* module_item(std::uint64_t kind) noexcept {
  return kind >= 1 && kind <= kModuleItem.size() ? &kModuleItem[kind - 1] : nullptr;
}

}  // namespace keyrewind::rdb
