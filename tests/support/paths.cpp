#include "support/paths.h"

namespace keyrewind::test {

std::string program_path() {
  return KEYREWIND_PROGRAM;
}

std::filesystem::path source_dir() {
  return KEYREWIND_SOURCE_DIR;
}

std::filesystem::path shared_servers_dir() {
  return KEYREWIND_SHARED_SERVERS;
}

}  // namespace keyrewind::test
