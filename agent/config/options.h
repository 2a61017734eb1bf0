#pragma once

#include "config/config.h"

#include <chrono>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace keyrewind::config {

/// Where the value of an option of each kind is kept. They take the configuration as mutable;
/// whoever only reads works on a copy.
using TextField = std::string& (*)(Config&);
using IntegerField = std::uint64_t& (*)(Config&);
using SecretField = Secret& (*)(Config&);
using BooleanField = bool& (*)(Config&);
using DurationField = std::chrono::milliseconds& (*)(Config&);
using TextsField = std::vector<std::string>& (*)(Config&);

/// An enumeration, as the index of its word.
struct WordField {
  std::size_t (*get)(const Config&);
  void (*set)(Config&, std::size_t);
};

enum class Kind {
  text,
  integer,
  size,      ///< An integer of bytes, written "64MiB" or as a bare number.
  duration,  ///< Written "10s" or "1h30m".
  boolean,   ///< Written "true" or "false".
  word,      ///< One of a few.
  secret,    ///< Never printed; never literally in a file.
  texts,     ///< A list; in a variable separated by commas.
};

/// One thing that can be configured. Parser, environment, schema, reference and `config show` are
/// all made from these, so that an option is described once.
struct Option {
  std::string_view path;  ///< "source.tls.ca_file"
  Kind kind;
  std::variant<TextField, IntegerField, SecretField, WordField, BooleanField, DurationField,
               TextsField>
      field;
  std::string_view description;   ///< Sentences, without line breaks.
  std::string_view example = {};  ///< As it stands in YAML; empty if the default is one.
  bool required = false;

  std::uint64_t min = 0;  ///< Of an integer, of a size, or of a duration in milliseconds.
  std::uint64_t max = std::numeric_limits<std::uint64_t>::max();
  std::span<const std::string_view> words = {};  ///< Of a word, in the order of the enumeration.
  std::string_view pattern = {};                 ///< Of a text, for the schema; empty: any.
  std::string_view pattern_in_words = {};        ///< "1 to 63 letters and digits"
  bool (*is_valid)(std::string_view) noexcept = nullptr;  ///< What `pattern` says.
  /// Throws Error(config) if the text, or one of the texts, is wrong.
  void (*check)(const std::string&) = nullptr;
};

/// All options in the order of the reference: those of a section follow each other, and its own
/// come before those of its subsections.
const std::vector<Option>& options();

/// A map that holds options, with the sentence that introduces it in the reference.
struct Section {
  std::string_view path;
  std::string_view description;
};
std::span<const Section> sections();

/// Names that belong to features that this version does not have: they are refused, but not as
/// if nobody had ever heard of them.
std::span<const std::string_view> unavailable();

/// The option, or nullptr.
const Option* find_option(std::string_view path);

/// "source.tls" of "source.tls.ca_file"; empty for what is at the top.
std::string_view parent_of(std::string_view path);

/// "ca_file" of "source.tls.ca_file".
std::string_view leaf_of(std::string_view path);

/// "KEYREWIND_SOURCE__TLS__CA_FILE" of "source.tls.ca_file".
std::string variable_of(std::string_view path);

}  // namespace keyrewind::config
