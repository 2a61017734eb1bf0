#include "doctor/repository.h"

#include "base/bytes.h"
#include "base/error.h"
#include "base/random.h"
#include "base/size.h"
#include "catalog/repository.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace keyrewind::doctor {
namespace {

using std::chrono::seconds;

/// Two parts of an upload, whatever their usual size.
constexpr std::size_t kLargeBytes = (8U << 20U) + 1;

/// From here on a store may refuse our signatures; most do so at 15 minutes.
constexpr seconds kSkewToNote{60};
constexpr seconds kSkewThatFails{600};

/// Whether the repository is a folder that a run would make.
bool is_to_be_made(const std::string& url) {
  constexpr std::string_view kScheme = "file://";
  std::error_code missing;
  const std::filesystem::path folder = url.substr(std::min(kScheme.size(), url.size()));
  return url.starts_with(kScheme) && !std::filesystem::exists(folder, missing) &&
         std::filesystem::is_directory(folder.parent_path(), missing);
}

Error wrong(std::string message) {
  return {Side::repository, ErrorKind::protocol, std::move(message)};
}

/// Tries what is done with objects, and tidies up.
class Trial {
 public:
  Trial(const std::string& check, store::ObjectStore& store, Findings& findings,
        std::stop_token stop)
      : check_(check),
        store_(store.stored()),
        findings_(findings),
        stop_(std::move(stop)),
        folder_("leases/doctor-" + random_hex(8)) {}

  void run() {
    const bool there = attempt("put", [&] { put(); });
    if (there) {
      attempt("get", [&] { get(); });
      attempt("get of a range", [&] { read(); });
      attempt("head", [&] { head(); });
    }
    attempt("list", [&] { list(there); });
    attempt("multipart upload", [&] { upload(); });
    attempt("abort of a multipart upload", [&] { abort(); });
    attempt("delete", [&] { store_.remove(small(), stop_); });
    attempt("delete of several", [&] { store_.remove_all({large(), folder_ + "/c"}, stop_); });
    if (!done_.empty()) {
      findings_.ok(check_, "works: " + done_);
    }
  }

 private:
  std::string small() const { return folder_ + "/a"; }
  std::string large() const { return folder_ + "/b"; }

  bool attempt(std::string_view what, const std::function<void()>& act) {
    const bool works = findings_.look(check_, act);
    if (works) {
      done_ += fmt::format("{}{}", done_.empty() ? "" : ", ", what);
    }
    return works;
  }

  void put() {
    if (!store_.put_if_absent(small(), as_bytes(kContent), stop_)) {
      throw wrong("a new name is said to be taken");
    }
  }

  void get() {
    const auto content = store_.get(small(), kContent.size(), stop_);
    if (!content || as_text(*content) != kContent) {
      throw wrong("what was stored does not come back");
    }
  }

  void read() {
    Bytes some(3);
    store_.read(small(), 2, some, stop_);
    if (as_text(some) != kContent.substr(2, 3)) {
      throw wrong("a range of an object is another than was asked for");
    }
  }

  void head() {
    if (!store_.head(small(), stop_)) {
      throw wrong("what was stored is said not to be there");
    }
  }

  void list(bool there) {
    const auto found = store_.list(folder_ + "/", stop_);
    if (there && found.size() != 1) {
      throw wrong("what was stored is not listed");
    }
  }

  void upload() {
    const auto upload = store_.upload(large(), stop_);
    upload->append(Bytes(kLargeBytes));
    upload->complete();
  }

  void abort() {
    {
      const auto upload = store_.upload(folder_ + "/c", stop_);
      upload->append(Bytes(kLargeBytes));
    }
    store_.remove_abandoned_uploads(
        folder_, [](const std::string& /*name*/) { return true; }, stop_);
  }

  static constexpr std::string_view kContent = "keyrewind doctor";

  const std::string& check_;
  store::ObjectStore& store_;
  Findings& findings_;
  const std::stop_token stop_;
  const std::string folder_;
  std::string done_;
};

void examine_conditions(const std::string& check, store::ObjectStore& store,
                        const RepositoryNeeds& needs, Findings& findings,
                        const std::stop_token& stop) {
  const auto conditional = store.conditional_writes(stop);
  if (conditional.work) {
    findings.ok(check, "conditional writes let exactly one of several win");
    return;
  }
  const std::string message = fmt::format("it has no conditional writes: {}", conditional.reason);
  if (needs.leases) {
    findings.problem(check, Error(ErrorKind::config,
                                  message + "; set lease.enabled: false and run just one agent for "
                                            "this source"));
  } else {
    findings.note(check, message + "; only one agent may write here");
  }
}

void examine_clock(const std::string& check, const store::ObjectStore& store, Findings& findings) {
  const auto ahead = store.clock_ahead();
  if (!ahead) {
    return;
  }
  const seconds off(std::abs(ahead->count()));
  const std::string message =
      fmt::format("the clock of this machine is {} {} the store's", to_human(off),
                  ahead->count() > 0 ? "behind" : "ahead of");
  if (off >= kSkewThatFails) {
    findings.problem(check, Error(ErrorKind::failed, message + "; set it by NTP"));
  } else if (off >= kSkewToNote) {
    findings.note(check, message + "; set it by NTP");
  } else {
    findings.ok(check, fmt::format("the clocks agree within {} s", off.count() + 1));
  }
}

}  // namespace

void examine_repository(const std::string& check, store::ObjectStore& store,
                        const RepositoryNeeds& needs, Findings& findings, std::stop_token stop) {
  if (is_to_be_made(store.url())) {
    findings.ok(check, store.url() + " is not there yet; the first run makes it");
    return;
  }
  try {
    const bool there = catalog::inspect(store, stop) == catalog::Place::repository;
    findings.ok(
        check, fmt::format("{} {}", store.url(),
                           there ? "can be read" : "is empty; the first run makes the repository"));
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::cancelled) {
      throw;
    }
    findings.problem(check, error);
    if (error.kind() == ErrorKind::unavailable || error.kind() == ErrorKind::config) {
      return;  // Everything else would say the same again.
    }
  }
  Trial(check, store, findings, stop).run();
  findings.look(check, [&] { examine_conditions(check, store, needs, findings, stop); });
  examine_clock(check, store, findings);
}

}  // namespace keyrewind::doctor
