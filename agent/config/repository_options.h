#pragma once

#include "config/options.h"

#include <functional>
#include <string>
#include <vector>

namespace keyrewind::config {

/// Finds the repository that options are about, and makes it if it is not there.
using RepositoryField = std::function<Config::Repository&(Config&)>;

/// The options of the repository at `path`: "repository", or an entry of copies, which has a name
/// as well.
std::vector<Option> repository_options(const std::string& path, const RepositoryField& repository);

/// The list of copies.
Option copies_option();

/// The copy at `index`.
RepositoryField copy_at(std::size_t index);

/// What introduces the options of S3 in the reference.
inline constexpr std::string_view kS3Description =
    "For a URL that begins with s3://. Without keys here, they come from where AWS's own tools "
    "look: the environment, shared files and profiles, a web identity token, the container's or "
    "the machine's metadata.";

}  // namespace keyrewind::config
