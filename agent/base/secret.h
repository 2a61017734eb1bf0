#pragma once

#include <string>
#include <string_view>

namespace keyrewind {

/// A password or key. It cannot be printed, formatted or logged by accident, and its memory is
/// wiped when it goes.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string value) : value_(std::move(value)) {}
  ~Secret() { wipe(); }

  Secret(const Secret&) = default;
  Secret(Secret&& other) noexcept : value_(std::move(other.value_)) { other.wipe(); }
  Secret& operator=(const Secret& other) {
    if (this != &other) {
      wipe();
      value_ = other.value_;
    }
    return *this;
  }
  Secret& operator=(Secret&& other) noexcept {
    wipe();
    value_ = std::move(other.value_);
    other.wipe();
    return *this;
  }

  bool empty() const noexcept { return value_.empty(); }

  /// The value itself, for the one place that uses it.
  std::string_view reveal() const noexcept { return value_; }

 private:
  void wipe() noexcept;

  std::string value_;
};

}  // namespace keyrewind
