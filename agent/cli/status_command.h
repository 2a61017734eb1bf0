#pragma once

namespace CLI {
class App;
}

namespace keyrewind::cli {

struct Invocation;

void add_status_command(CLI::App& app, Invocation& invocation);

}  // namespace keyrewind::cli
