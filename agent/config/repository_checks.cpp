#include "config/repository_checks.h"

#include "config/values.h"

#include <fmt/format.h>

#include <set>
#include <string_view>
#include <utility>

namespace keyrewind::config {
namespace {

/// AWS's limit, "Object tagging" of the S3 user guide.
constexpr std::size_t kMaxTags = 10;

using Repository = Config::Repository;

/// Looks at one repository, whose options' paths begin with `path`.
class RepositoryChecks {
 public:
  RepositoryChecks(const Repository& repository, std::string path,
                   std::vector<Contradiction>& found)
      : s3_(repository.s3), url_(repository.url), path_(std::move(path)), found_(found) {}

  void run() {
    if (!url_.starts_with("s3://")) {
      refuse_options_of_another_kind();
      return;
    }
    refuse_half_a_key();
    refuse_two_secrets();
    refuse_profile_beside_key();
    refuse_keys_of_another_encryption();
    refuse_half_an_object_lock();
    refuse_ca_without_tls();
    refuse_bad_tags();
  }

 private:
  std::string option(std::string_view leaf) const { return fmt::format("{}.s3.{}", path_, leaf); }

  void add(std::vector<std::string> options, std::string message) {
    found_.push_back({std::move(options), std::move(message)});
  }

  void refuse_unless(bool is_met, std::string_view given, std::string_view needed) {
    if (!is_met) {
      add({option(given), option(needed)},
          fmt::format("{} needs {}", option(given), option(needed)));
    }
  }

  /// Only those that were changed: whoever lists every option with its default means nothing by it.
  void refuse_options_of_another_kind() {
    const Config defaults;
    Config ours;
    ours.repository.s3 = s3_;
    for (const Option* one : options_in("repository.s3")) {
      const std::string path = option(leaf_of(one->path));
      if (value_of(*one, ours) != value_of(*one, defaults)) {
        add({path, path_ + ".url"},
            fmt::format("{} contradicts {}.url, which does not begin with s3://", path, path_));
      }
    }
  }

  bool has_secret() const {
    return !s3_.secret_access_key.empty() || !s3_.secret_access_key_file.empty();
  }

  void refuse_half_a_key() {
    const bool has_key = !s3_.access_key_id.empty();
    if (has_key && !has_secret()) {
      add({option("access_key_id"), option("secret_access_key"), option("secret_access_key_file")},
          fmt::format("{} needs {}", option("access_key_id"), option("secret_access_key_file")));
    }
    refuse_unless(s3_.secret_access_key.empty() || has_key, "secret_access_key", "access_key_id");
    refuse_unless(s3_.secret_access_key_file.empty() || has_key, "secret_access_key_file",
                  "access_key_id");
    refuse_unless(s3_.session_token.empty() || has_key, "session_token", "access_key_id");
  }

  void refuse_two_secrets() {
    if (!s3_.secret_access_key.empty() && !s3_.secret_access_key_file.empty()) {
      add({option("secret_access_key"), option("secret_access_key_file")},
          fmt::format("{} and {} contradict each other; keep one", option("secret_access_key"),
                      option("secret_access_key_file")));
    }
  }

  void refuse_profile_beside_key() {
    if (!s3_.profile.empty() && !s3_.access_key_id.empty()) {
      add({option("profile"), option("access_key_id")},
          fmt::format("{} and {} contradict each other: a profile has keys of its own; keep one",
                      option("profile"), option("access_key_id")));
    }
  }

  void refuse_keys_of_another_encryption() {
    const std::string mode = option("server_side_encryption");
    const bool is_customers = s3_.server_side_encryption == "SSE-C";
    if (!s3_.kms_key_id.empty() && s3_.server_side_encryption != "aws:kms") {
      add({option("kms_key_id"), mode},
          fmt::format("{} needs {} aws:kms", option("kms_key_id"), mode));
    }
    if (!s3_.customer_key_file.empty() && !is_customers) {
      add({option("customer_key_file"), mode},
          fmt::format("{} needs {} SSE-C", option("customer_key_file"), mode));
    }
    if (is_customers && s3_.customer_key_file.empty()) {
      add({mode, option("customer_key_file")},
          fmt::format("{} SSE-C needs {}", mode, option("customer_key_file")));
    }
  }

  void refuse_half_an_object_lock() {
    const bool has_duration = s3_.object_lock_duration.count() > 0;
    refuse_unless(!has_duration || !s3_.object_lock_mode.empty(), "object_lock_duration",
                  "object_lock_mode");
    refuse_unless(s3_.object_lock_mode.empty() || has_duration, "object_lock_mode",
                  "object_lock_duration");
  }

  void refuse_ca_without_tls() {
    if (!s3_.ca_file.empty() && s3_.endpoint.starts_with("http://")) {
      add({option("ca_file"), option("endpoint")},
          fmt::format("{} contradicts {}, which is not encrypted; begin that with https://",
                      option("ca_file"), option("endpoint")));
    }
  }

  void refuse_bad_tags() {
    if (s3_.tags.size() > kMaxTags) {
      add({option("tags")}, fmt::format("{} has {} tags; an object has {} at most", option("tags"),
                                        s3_.tags.size(), kMaxTags));
    }
    std::set<std::string> keys;
    for (const std::string& tag : s3_.tags) {
      const std::string key = tag.substr(0, tag.find('='));
      if (!keys.insert(key).second) {
        add({option("tags")}, fmt::format("{} has the key '{}' twice", option("tags"), key));
      }
    }
  }

  const Repository::S3& s3_;
  const std::string& url_;
  const std::string path_;
  std::vector<Contradiction>& found_;
};

std::string copy_path(std::size_t index, std::string_view leaf) {
  return fmt::format("copies.{}.{}", index, leaf);
}

void refuse_ambiguous_names(const Config& config, std::vector<Contradiction>& found) {
  std::set<std::string> names;
  for (std::size_t index = 0; index < config.copies.size(); ++index) {
    const std::string& name = config.copies[index].name;
    const std::string option = copy_path(index, "name");
    if (name == Config::kPrimary) {
      found.push_back({{option},
                       fmt::format("{} must not be '{}', which is what the repository itself is "
                                   "called",
                                   option, Config::kPrimary)});
    } else if (!name.empty() && !names.insert(name).second) {
      found.push_back({{option}, fmt::format("{} '{}' is another copy's already", option, name)});
    }
  }
}

void refuse_copies_onto_themselves(const Config& config, std::vector<Contradiction>& found) {
  const auto place = [](const Repository& one) {
    std::string url = one.url;
    while (url.ends_with('/')) {
      url.pop_back();
    }
    return std::pair(url, one.s3.endpoint);
  };
  std::set<std::pair<std::string, std::string>> places{place(config.repository)};
  for (std::size_t index = 0; index < config.copies.size(); ++index) {
    const std::string option = copy_path(index, "url");
    if (!config.copies[index].url.empty() && !places.insert(place(config.copies[index])).second) {
      found.push_back({{option},
                       fmt::format("{} is where the repository or another copy is already; a copy "
                                   "needs a place of its own",
                                   option)});
    }
  }
}

}  // namespace

std::vector<Contradiction> contradictions_of_repositories(const Config& config) {
  std::vector<Contradiction> found;
  RepositoryChecks(config.repository, "repository", found).run();
  for (std::size_t index = 0; index < config.copies.size(); ++index) {
    RepositoryChecks(config.copies[index], fmt::format("copies.{}", index), found).run();
  }
  refuse_ambiguous_names(config, found);
  refuse_copies_onto_themselves(config, found);
  return found;
}

}  // namespace keyrewind::config
