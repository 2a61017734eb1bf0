#pragma once

#include "base/clock.h"
#include "catalog/catalog.h"

#include <cstdint>
#include <map>
#include <optional>
#include <stop_token>
#include <string>

/// A person's wish that the source be restored when its servers start next: "this backup, this
/// moment". The restore in front of a server carries it out, once a shard. FORMAT.md, section
/// "Restore requests".
///
/// Requests are numbered. The one with the highest number counts, the others are history. Nothing
/// is ever rewritten: outcome, failures and cancellation are objects of their own.
namespace keyrewind::catalog {

struct RestoreRequest {
  std::uint64_t number = 0;  ///< From 1 on.
  Timestamp created{};
  std::string backup;  ///< The id of the base to use; empty: whichever fits the moment.
  std::string at;      ///< As restore::parse_moment reads it; empty: the backup's own moment.
  std::string by;      ///< Who asked, for people: a host's name.

  bool operator==(const RestoreRequest&) const = default;
};

/// How a request was carried out in one shard.
struct RestoreOutcome {
  std::string backup;
  Timestamp at{};           ///< The moment that was restored,
  std::int64_t offset = 0;  ///< and its offset.
  std::uint64_t bytes = 0;  ///< RDB and log.
  double seconds = 0;
  Timestamp finished{};
  std::string node;  ///< Where, for people: a host's or pod's name.

  bool operator==(const RestoreOutcome&) const = default;
};

/// An attempt that failed. The request stays pending: what is in the folder is not what was asked
/// for.
struct RestoreFailure {
  Timestamp at{};
  std::string error;
  std::string node;

  bool operator==(const RestoreFailure&) const = default;
};

/// A request and what has become of it.
struct RestoreRequestStatus {
  RestoreRequest request;
  std::optional<Timestamp> cancelled;
  std::map<std::string, RestoreOutcome> outcomes;  ///< By shard.
  std::map<std::string, RestoreFailure> failures;  ///< The last one of each shard without outcome.

  /// Whether the shard is still to be restored.
  bool is_pending(const std::string& shard) const {
    return !cancelled && !outcomes.contains(shard);
  }
};

/// The request that counts; nothing if nobody ever asked. One listing, and one reading for each
/// object that there is of it. Throws what stores throw, and Error(corrupt | incompatible) if the
/// request cannot be read.
std::optional<RestoreRequestStatus> newest_restore_request(const Catalog& catalog,
                                                           std::stop_token stop);

/// Asks for a restore; number and time of `request` are filled in. The caller has made sure that
/// there are such a backup and moment. Throws Error(busy) if another request is pending in `shard`.
RestoreRequest request_restore(const Catalog& catalog, RestoreRequest request,
                               const std::string& shard, const Clock& clock, std::stop_token stop);

/// Takes the request back. Nothing happens if it was cancelled before. A restore that has begun
/// goes on.
void cancel_restore_request(const Catalog& catalog, std::uint64_t number, const Clock& clock,
                            std::stop_token stop);

/// Notes that the shard was restored. Returns false if that had been noted before.
bool note_restore_outcome(const Catalog& catalog, std::uint64_t number, const std::string& shard,
                          const RestoreOutcome& outcome, std::stop_token stop);

/// Notes an attempt that failed, unless the last one failed the same way.
void note_restore_failure(const Catalog& catalog, std::uint64_t number, const std::string& shard,
                          const RestoreFailure& failure, std::stop_token stop);

}  // namespace keyrewind::catalog
