#pragma once

#include "config/config.h"

#include <chrono>
#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace keyrewind::config {

/// Where the value of an option of each kind is kept. They take the configuration as mutable;
/// whoever only reads works on a copy.
using TextField = std::function<std::string&(Config&)>;
using IntegerField = std::function<std::uint64_t&(Config&)>;
using SecretField = std::function<Secret&(Config&)>;
using BooleanField = std::function<bool&(Config&)>;
using DurationField = std::function<std::chrono::milliseconds&(Config&)>;
using TextsField = std::function<std::vector<std::string>&(Config&)>;

/// An enumeration, as the index of its word.
struct WordField {
  std::function<std::size_t(Config&)> get;
  std::function<void(Config&, std::size_t)> set;
};

/// A list of maps. The options of an entry are found by their paths, such as "copies.0.url"; a
/// field of theirs makes the entry if it is not there yet.
struct EntriesField {
  std::size_t (*count)(const Config&);
  void (*resize)(Config&, std::size_t);
};

enum class Kind {
  text,
  integer,
  size,      ///< An integer of bytes, written "64MiB" or as a bare number.
  duration,  ///< Written "10s" or "1h30m".
  boolean,   ///< Written "true" or "false".
  word,      ///< One of a few.
  secret,    ///< Never printed; literally in a file only if `may_be_literal`.
  texts,     ///< A list; in a variable separated by commas.
  rate,      ///< An integer of bytes a second, written "50MiB/s"; 0 is no limit.
  percent,   ///< An integer, written "20%".
  entries,   ///< A list of maps, each with the same options.
};

/// One thing that can be configured. Parser, environment, schema, reference and `config show` are
/// all made from these, so that an option is described once.
struct Option {
  std::string path;  ///< "source.tls.ca_file", "copies.0.url"
  Kind kind;
  std::variant<TextField, IntegerField, SecretField, WordField, BooleanField, DurationField,
               TextsField, EntriesField>
      field;
  std::string_view description;   ///< Sentences, without line breaks.
  std::string_view example = {};  ///< As it stands in YAML; empty if the default is one.
  bool required = false;
  bool may_be_literal = false;  ///< Of a secret: a URL is one only sometimes.
  bool zero_is_none = false;    ///< Of a size: 0 is no limit, whatever `min` says.

  std::uint64_t min = 0;  ///< Of an integer, a size, a rate, or of a duration in milliseconds.
  std::uint64_t max = std::numeric_limits<std::uint64_t>::max();
  /// Of a word, in the order of the enumeration; an empty one first if it may be left empty.
  std::span<const std::string_view> words = {};
  std::span<const std::string_view> later_words =
      {};                                  ///< Known, and not available in this version.
  std::string_view pattern = {};           ///< Of a text, for the schema; empty: any.
  std::string_view pattern_in_words = {};  ///< "1 to 63 letters and digits"
  bool (*is_valid)(std::string_view) noexcept = nullptr;  ///< What `pattern` says.
  /// Throws Error(config) if the text, or one of the texts, is wrong. Of a secret, without it.
  void (*check)(const std::string&) = nullptr;
};

/// All options in the order of the reference, but for those of entries: those of a section follow
/// each other, and its own come before those of its subsections.
const std::vector<Option>& options();

/// The options of all entries that there may be, in the same order.
const std::vector<Option>& entry_options();

/// The most entries that a list of maps may have.
inline constexpr std::size_t kMaxEntries = 8;

/// A map that holds options, with the sentence that introduces it in the reference.
struct Section {
  std::string path;
  std::string_view description;
};
const std::vector<Section>& sections();

/// The maps that are entries or in them: "copies.0", "copies.0.s3".
const std::vector<Section>& entry_sections();

/// The option, be it an entry's or not, or nullptr.
const Option* find_option(std::string_view path);

/// The section, be it an entry's or not, or nullptr.
const Section* find_section(std::string_view path);

/// The options and sections that stand directly in `section`, which may be one of an entry.
std::vector<const Option*> options_in(std::string_view section);
std::vector<const Section*> sections_in(std::string_view section);

/// "copies.0" of the list "copies".
std::string entry_path(const Option& list, std::size_t index);

/// "source.tls" of "source.tls.ca_file"; empty for what is at the top.
std::string_view parent_of(std::string_view path);

/// "ca_file" of "source.tls.ca_file".
std::string_view leaf_of(std::string_view path);

/// "KEYREWIND_SOURCE__TLS__CA_FILE" of "source.tls.ca_file".
std::string variable_of(std::string_view path);

}  // namespace keyrewind::config
