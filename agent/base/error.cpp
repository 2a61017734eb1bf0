#include "base/error.h"

#include <system_error>

namespace keyrewind {

ExitStatus exit_status(const Error& error) noexcept {
  switch (error.kind()) {
    case ErrorKind::config:
      return ExitStatus::usage;
    case ErrorKind::no_backup:
      return ExitStatus::no_backup;
    case ErrorKind::target_not_empty:
      return ExitStatus::target_not_empty;
    case ErrorKind::corrupt:
    case ErrorKind::incompatible:
      return ExitStatus::corrupt;
    case ErrorKind::busy:
      return ExitStatus::busy;
    case ErrorKind::cancelled:
      return ExitStatus::interrupted;
    case ErrorKind::unavailable:
    case ErrorKind::denied:
    case ErrorKind::protocol:
    case ErrorKind::failed:
      switch (error.side()) {
        case Side::source:
          return ExitStatus::source;
        case Side::repository:
          return ExitStatus::repository;
        case Side::here:
          return ExitStatus::failure;
      }
      return ExitStatus::failure;
    case ErrorKind::internal:
      return ExitStatus::failure;
  }
  return ExitStatus::failure;
}

std::string_view to_string(ErrorKind kind) noexcept {
  switch (kind) {
    case ErrorKind::config:
      return "config";
    case ErrorKind::unavailable:
      return "unavailable";
    case ErrorKind::denied:
      return "denied";
    case ErrorKind::protocol:
      return "protocol";
    case ErrorKind::no_backup:
      return "no_backup";
    case ErrorKind::target_not_empty:
      return "target_not_empty";
    case ErrorKind::corrupt:
      return "corrupt";
    case ErrorKind::incompatible:
      return "incompatible";
    case ErrorKind::busy:
      return "busy";
    case ErrorKind::cancelled:
      return "cancelled";
    case ErrorKind::failed:
      return "failed";
    case ErrorKind::internal:
      return "internal";
  }
  return "internal";
}

std::string errno_text(int number) {
  return std::generic_category().message(number);
}

}  // namespace keyrewind
