#include "cli/run.h"

#include <malloc.h>

int main(int argc, char** argv) {
  // glibc gives each thread an arena of its own, and never takes back what many short-lived ones
  // leave there. We have dozens of threads and little to allocate at the same time.
  mallopt(M_ARENA_MAX, 2);
  return keyrewind::cli::run(argc, argv);
}
