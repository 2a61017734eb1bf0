#include "config/pipeline_options.h"

namespace keyrewind::config {

backup::PipelineOptions to_pipeline_options(const Config& config) {
  return {.compression_level = static_cast<int>(config.compression.level),
          .threads = config.limits.cpu_threads,
          .memory = config.limits.memory,
          .receive_rate = config.quotas.receive_rate};
}

}  // namespace keyrewind::config
