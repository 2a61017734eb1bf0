#pragma once

#include "base/clock.h"

#include <gmock/gmock.h>

#include <string>

namespace keyrewind::policy {

/// The moment that "2026-11-20T13:02" or "2026-11-20T13:02:21" is in UTC.
inline Timestamp at(const std::string& text) {
  const auto time = from_rfc3339(text + (text.size() == 16 ? ":00Z" : "Z"));
  EXPECT_TRUE(time.has_value()) << text;
  return time.value_or(Timestamp());
}

}  // namespace keyrewind::policy
