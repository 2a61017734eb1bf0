#pragma once

#include <filesystem>
#include <string>

namespace keyrewind::test {

/// The program under test, as it was built beside this one.
std::string program_path();

/// The root of the source tree.
std::filesystem::path source_dir();

/// The folder with what the servers that all tests of a run share say of themselves.
std::filesystem::path shared_servers_dir();

}  // namespace keyrewind::test
