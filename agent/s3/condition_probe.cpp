#include "s3/condition_probe.h"

#include "base/error.h"
#include "base/log.h"
#include "base/random.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

namespace keyrewind::s3 {
namespace {

constexpr std::size_t kNonceBytes = 8;

/// An answer after a lost one proves nothing: the probe begins anew.
constexpr int kRounds = 5;

/// One object to try things on.
class Probe {
 public:
  Probe(Objects& objects, std::stop_token stop)
      : objects_(objects),
        name_(fmt::format("leases/probe-{}", random_hex(kNonceBytes))),
        stop_(std::move(stop)) {}

  /// What was found out; nothing if a try got lost on the way.
  std::optional<Conditions> run() {
    const Answer first = put("first", "if-none-match", "*");
    if (!first.ok()) {
      put("first");  // Throws if it was not the condition that was refused.
      return failed("If-None-Match on a new name", first);
    }
    if (const auto found = probe_create(); !found || !found->work) {
      return found;
    }
    return probe_swap(unquoted(first.response.header("etag")));
  }

  bool uncertain() const noexcept { return uncertain_; }

  /// What can't be removed (object lock, missing rights) is some bytes under a name of its own.
  void clean_up() {
    try {
      objects_.remove(name_, stop_);
    } catch (const Error& error) {
      log::debug("A probe could not be removed", {{"object", name_}, {"error", error.what()}});
    }
  }

 private:
  std::optional<Conditions> probe_create() {
    const Answer second = put("second", "if-none-match", "*");
    if (second.ok()) {
      return Conditions{.work = false,
                        .reason =
                            "it creates an object over another in spite of If-None-Match, as "
                            "Ceph does in versioned buckets"};
    }
    return second.status() == 412 ? Conditions{} : failed("If-None-Match on a taken name", second);
  }

  std::optional<Conditions> probe_swap(const std::string& etag) {
    for (const bool quoted : {true, false}) {
      const Answer swapped = put("swapped", "if-match", quoted ? "\"" + etag + "\"" : etag);
      if (!swapped.ok()) {
        if (swapped.status() == 412) {
          continue;
        }
        return failed("If-Match", swapped);
      }
      const Answer stale = put("stale", "if-match", quoted ? "\"" + etag + "\"" : etag);
      if (stale.ok()) {
        return Conditions{.work = false, .reason = "it ignores If-Match"};
      }
      return stale.status() == 412 ? Conditions{.quoted = quoted}
                                   : failed("a stale If-Match", stale);
    }
    return Conditions{.work = false, .reason = "it refuses If-Match with the right ETag"};
  }

  Answer put(std::string_view content, const char* condition, std::string value) {
    Call call = objects_.put_call(name_, as_bytes(content), ObjectKind::record);
    call.headers.emplace_back(condition, std::move(value));
    call.expected = {400, 404, 405, 412, 501};
    Answer answer = objects_.requests().send(call, stop_);
    uncertain_ = uncertain_ || answer.uncertain;
    return answer;
  }

  void put(std::string_view content) {
    objects_.requests().send(objects_.put_call(name_, as_bytes(content), ObjectKind::record),
                             stop_);
  }

  static Conditions failed(std::string_view what, const Answer& answer) {
    return {.work = false, .reason = fmt::format("it answers {} to {}", answer.status(), what)};
  }

  Objects& objects_;
  const std::string name_;
  const std::stop_token stop_;
  bool uncertain_ = false;
};

}  // namespace

Conditions probe_conditions(Objects& objects, std::stop_token stop) {
  for (int round = 0; round < kRounds; ++round) {
    Probe probe(objects, stop);
    const std::optional<Conditions> found = probe.run();
    probe.clean_up();
    if (found && !probe.uncertain()) {
      return *found;
    }
  }
  throw Error(Side::repository, ErrorKind::unavailable,
              fmt::format("{}: too many answers were lost to find out about conditional writes",
                          objects.place().url()));
}

}  // namespace keyrewind::s3
