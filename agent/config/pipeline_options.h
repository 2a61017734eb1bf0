#pragma once

#include "backup/snapshot_upload.h"
#include "config/config.h"

namespace keyrewind::config {

/// What a snapshot may use on its way: limits.*, compression.level and quotas.receive_rate.
backup::PipelineOptions to_pipeline_options(const Config& config);

}  // namespace keyrewind::config
