#pragma once

#include "base/clock.h"
#include "catalog/catalog.h"
#include "catalog/manifest.h"

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

namespace keyrewind::flow {
class Group;
}

/// Holds: somebody reads from the repository just now, and what he reads may not be removed under
/// his hands. FORMAT.md, section "Holds".
namespace keyrewind::catalog {

struct Hold {
  std::string id;
  std::string by;           ///< "restore on orders-0", for people.
  bool everything = false;  ///< Of the source; the rest then says nothing.
  std::string backup;       ///< The id of one that is read; may be empty.
  std::string lineage;      ///< Whose log is read; empty: none.
  std::int64_t offset = 0;  ///< From here on.
  Timestamp until{};        ///< Not written anew by then, it has ended.

  bool operator==(const Hold&) const = default;
};

/// How long a hold lasts when nobody writes it anew, which its holder does three times in that
/// time; and how long after it is still respected by another machine, whose clock may be ahead.
inline constexpr std::chrono::milliseconds kHoldTime = std::chrono::minutes(15);
inline constexpr std::chrono::milliseconds kHoldGrace = std::chrono::minutes(15);

/// JSON as FORMAT.md specifies it, ending in a newline.
std::string encode(const Hold& hold);

/// Reads what `encode` wrote. Throws Error(corrupt) if it is not that, Error(incompatible) if its
/// format version is newer.
Hold decode_hold(ByteView json);

/// Holds as a repository has them.
struct Holds {
  std::vector<Hold> in_force;
  std::vector<std::string> ended;  ///< Objects of others, and of ones that nobody can read.
};

/// That of a pending restore request is among them: until it is carried out or cancelled, what it
/// asks for stays.
Holds list_holds(const Catalog& catalog, Timestamp now, std::stop_token stop);

/// What somebody is going to read.
struct HoldRequest {
  std::string by;                  ///< "restore", "verify": the machine's name is added.
  std::optional<Commit> backup{};  ///< Nothing: everything of the source.
  std::string lineage{};           ///< Whose log as well; empty: none.
  std::int64_t offset = 0;         ///< From here on.
};

/// Keeps retention from removing what is being read, from construction to destruction. A thread of
/// its own writes the hold anew.
///
/// Who may only read the repository goes on without one: that is logged as a warning.
class ReadHold {
 public:
  /// `catalog` and `clock` must outlive it. Throws Error(no_backup) if what is wanted was removed
  /// in the moment before; whoever removes looks for holds after making that visible.
  ReadHold(const Catalog& catalog, HoldRequest request, const Clock& clock, std::stop_token stop);
  /// Ends the hold.
  ~ReadHold();
  ReadHold(const ReadHold&) = delete;
  ReadHold& operator=(const ReadHold&) = delete;

  /// Whether the repository could be told.
  bool held() const noexcept { return !object_.empty(); }

 private:
  bool write(const std::stop_token& stop);
  void check(const std::stop_token& stop) const;
  void remove(const std::string& object) const noexcept;
  void renew_for_ever(const std::stop_token& stop);

  const Catalog& catalog_;
  const HoldRequest request_;
  const Clock& clock_;
  std::string object_;  ///< Of the thread once it runs, and of the destructor.
  std::unique_ptr<flow::Group> thread_;
};

}  // namespace keyrewind::catalog
