#include "prune/removal.h"

#include "base/error.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>

namespace keyrewind::prune {
namespace {

/// As many as one request of S3 takes.
constexpr std::size_t kAtOnce = 1000;

}  // namespace

std::vector<std::string> Removal::remove(const std::vector<std::string>& names,
                                         const std::stop_token& stop) {
  std::vector<std::string> refused;
  const std::span<const std::string> all(names);
  for (std::size_t at = 0; at < all.size(); at += kAtOnce) {
    if (!lock_.held()) {
      throw Error(Side::repository, ErrorKind::busy,
                  "the lock of retention was lost to another run, which goes on");
    }
    const auto some = all.subspan(at, std::min(kAtOnce, all.size() - at));
    remove_some({some.begin(), some.end()}, refused, stop);
  }
  return refused;
}

void Removal::check() const {
  if (removed_ == 0 && !refused_.empty()) {
    throw Error(Side::repository, ErrorKind::denied,
                fmt::format("nothing could be removed: {}", refused_.front().reason));
  }
}

void Removal::remove_some(const std::vector<std::string>& names, std::vector<std::string>& refused,
                          const std::stop_token& stop) {
  try {
    store_.remove_all(names, stop);
    removed_ += names.size();
    return;
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::denied) {
      throw;
    }
  }
  // Some of them, or all: a single one tells.
  for (const std::string& name : names) {
    try {
      store_.remove(name, stop);
      ++removed_;
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::denied) {
        throw;
      }
      refused_.push_back({name, error.what()});
      refused.push_back(name);
    }
  }
}

}  // namespace keyrewind::prune
