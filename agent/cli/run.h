#pragma once

namespace keyrewind::cli {

/// Runs the command line and returns the exit status (base/error.h). Every failure ends as one
/// line on stderr, "keyrewind: <message>".
int run(int argc, const char* const* argv);

}  // namespace keyrewind::cli
