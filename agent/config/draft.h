#pragma once

#include "config/contradiction.h"
#include "config/options.h"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace keyrewind::config {

/// Where something was said: in a file, or in a variable of the environment.
struct Place {
  std::string source;  ///< The file's or variable's name.
  int line = 0;        ///< From 1; 0 if there are no lines.
  int column = 0;

  std::string text() const;
};

/// A value as somebody wrote it, on its way to the field that keeps it.
struct Written {
  std::string text;   ///< With variables put in.
  std::string shown;  ///< As it was written, so that what a variable holds is never in a message.
  bool has_variables = false;
  bool is_quoted = false;
};

/// One of a list of values.
struct WrittenItem {
  Written written;
  Place place;
};

/// A configuration in the making: its sources are read one after the other, each winning over
/// those before; mistakes are collected on the way.
class Draft {
 public:
  /// A mistake at `place`. Those that have no line come last when they are listed.
  void add_problem(const Place& place, std::string message);

  /// Sets the option, or adds a problem that says what is wrong with the value.
  /// A list is separated by commas.
  void set(const Option& option, const Written& written, const Place& place);

  /// The same for an option that is a list, with its entries one by one.
  void set(const Option& option, const std::vector<WrittenItem>& items, const Place& place);

  /// Remembers that the option was spoken of, though in a way that has already been complained
  /// about, so that it is not called missing as well.
  void mention(const Option& option, const Place& place);

  /// Remembers where a section begins, for options that are missing from it.
  void open_section(std::string_view path, const Place& place);

  /// Remembers where an entry of the list begins, and makes it.
  void open_entry(const Option& list, std::size_t index, const Place& place);

  /// Adds what only shows once everything has been read: options that are missing and options
  /// that contradict each other. `whole` is where to complain of what is nowhere. `version` is
  /// wanted of files only.
  void finish(const Place& whole, bool wants_version);

  const Config& config() const noexcept { return config_; }

  /// "place: message" of each mistake, by line.
  struct Mistake {
    Place place;
    std::string message;
  };
  std::vector<Mistake> mistakes() const;

 private:
  void require_what_is_required(const Place& whole, bool wants_version);
  void require_of_entries(const Option& list, const Place& whole);
  void require(const Option& option, const Place& whole);
  void refuse_two_passwords();
  void refuse_user_without_password();
  void refuse_half_a_certificate();
  void refuse_tls_without_tls();
  void refuse_half_a_sentinel();
  void refuse_sentinel_beside_this_node();
  void refuse_too_small_a_spool();
  void refuse_contradictions(const std::vector<Contradiction>& all, const Place& whole);
  Place place_to_blame(const std::vector<std::string>& options, const Place& whole) const;
  bool has_tls_sentinel() const;
  Place place_of(std::string_view path) const;
  bool is_sound(std::string_view path) const;

  Config config_;
  std::map<std::string_view, Place> places_;    ///< Of the options that were spoken of.
  std::map<std::string_view, Place> sections_;  ///< Of those that a file opens.
  std::vector<std::string_view> unsound_;       ///< Options with a mistake of their own.
  std::vector<Mistake> mistakes_;
};

}  // namespace keyrewind::config
