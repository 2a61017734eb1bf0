#pragma once

#include "backup/import_rdb.h"
#include "base/clock.h"
#include "config/config.h"

#include <stop_token>
#include <string>

namespace keyrewind::cli {

/// The RDB that `where` names: a file's path, "-" for the standard input, http(s)://, or
/// s3://BUCKET/KEY in the store of the first repository that is in S3, with its keys; without one,
/// in AWS with those of the environment.
///
/// Throws Error: config if `where` is none of these or is no ordinary file, Side::source where the
/// server does not give it; so does `read`. Messages and `from` have no user name, password or
/// query. `clock` must outlive what is returned.
backup::ForeignRdb open_rdb(const std::string& where, const config::Config& config,
                            const Clock& clock, std::stop_token stop);

}  // namespace keyrewind::cli
