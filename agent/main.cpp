#include "cli/run.h"

int main(int argc, char** argv) {
  return keyrewind::cli::run(argc, argv);
}
