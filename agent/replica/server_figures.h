#pragma once

#include "replica/server_info.h"

namespace keyrewind::replica {

/// Of ServerInfo only what its greeting and INFO say, which costs the node next to nothing:
/// product, version, role, memory and keys. Those that the user's rights do not cover are missing.
/// A lost connection throws.
ServerInfo ask_server_figures(Connection& connection);

}  // namespace keyrewind::replica
