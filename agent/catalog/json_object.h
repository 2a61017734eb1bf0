#pragma once

#include "base/bytes.h"
#include "base/clock.h"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace keyrewind::catalog {

/// The first two fields of every JSON object in a repository: its format version and `kind`.
nlohmann::ordered_json begin_document(std::string_view kind);

/// The document as it is stored: two spaces a level and a newline at the end. Bytes that are no
/// UTF-8, as a server's configuration may hold, become replacement characters.
std::string to_text(const nlohmann::ordered_json& document);

/// One JSON object that is read strictly: a field that is missing or of another type ends in
/// Error(Side::repository, corrupt), naming the document and the field. Fields that nobody asks for
/// do no harm. It is a view: the document must outlive it.
class JsonObject {
 public:
  /// `what` and `path` are for messages: "the manifest" and "snapshots[0].".
  JsonObject(const nlohmann::json& value, std::string what, std::string path);

  std::string text(const std::string& name) const;
  bool boolean(const std::string& name) const;
  /// A whole number from 0 to `most`.
  std::uint64_t number(const std::string& name,
                       std::uint64_t most = std::numeric_limits<std::uint64_t>::max()) const;
  Timestamp time(const std::string& name) const;
  /// Lower-case hexadecimal of exactly `digits` digits.
  std::string hex(const std::string& name, std::size_t digits) const;

  /// The number that 16 lower-case hexadecimal digits are.
  std::uint64_t hex_number(const std::string& name) const;

  /// Nothing if the field is null.
  std::optional<std::string> optional_text(const std::string& name) const;
  std::optional<std::uint64_t> optional_number(const std::string& name) const;

  /// Whether the field is there and not null.
  bool has(const std::string& name) const;

  JsonObject object(const std::string& name) const;
  std::vector<JsonObject> objects(const std::string& name) const;
  /// Whole numbers of either sign.
  std::vector<std::int64_t> integers(const std::string& name) const;
  std::vector<std::string> texts(const std::string& name) const;
  std::vector<std::pair<std::string, JsonObject>> objects_by_key(const std::string& name) const;
  std::map<std::string, std::string> texts_by_key(const std::string& name) const;
  std::map<std::string, std::uint64_t> numbers_by_key(const std::string& name) const;

  /// Throws the error of a field that does not hold what it should: "<field> <why>".
  [[noreturn]] void reject(const std::string& name, std::string_view why) const;

  const std::string& what() const noexcept { return what_; }

 private:
  const nlohmann::json& field(const std::string& name) const;
  const nlohmann::json& array(const std::string& name) const;

  const nlohmann::json* value_;
  std::string what_;
  std::string path_;
};

/// A parsed document, of which `root` is a view.
class JsonDocument {
 public:
  /// Throws Error(corrupt) unless `json` is an object of this `kind`, and Error(incompatible) if
  /// its format version is newer than kFormatVersion. `what` names it in messages: "the manifest".
  JsonDocument(ByteView json, std::string what, std::string_view kind);

  JsonDocument(const JsonDocument&) = delete;
  JsonDocument& operator=(const JsonDocument&) = delete;

  const JsonObject& root() const noexcept { return root_; }

 private:
  const nlohmann::json value_;
  const JsonObject root_;
};

}  // namespace keyrewind::catalog
