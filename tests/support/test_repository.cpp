#include "support/test_repository.h"

#include "support/keyrewind.h"
#include "support/process.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <stdexcept>
#include <string_view>

namespace keyrewind::test {
namespace {

namespace fs = std::filesystem;

constexpr const char* kVariable = "TEST_REPOSITORY";
constexpr const char* kPrefix = "backups/orders";

bool serves_as_lock(const std::string& name) {
  return name.ends_with(".lock") || name.starts_with("leases/") ||
         name.find("/leases/") != std::string::npos;
}

}  // namespace

RepositoryKind repository_kind() {
  const char* value = std::getenv(kVariable);
  const std::string_view kind = value == nullptr ? "file" : value;
  if (kind == "file") {
    return RepositoryKind::file;
  }
  if (kind == "s3") {
    return RepositoryKind::s3;
  }
  if (kind == "s3-age") {
    return RepositoryKind::s3_age;
  }
  throw std::runtime_error(fmt::format("{} is {}; it may be file, s3 or s3-age", kVariable, kind));
}

void require_repository() {
  if (repository_kind() != RepositoryKind::file) {
    require_rgw();
  }
}

TestRepository::TestRepository(fs::path folder, RepositoryKind kind)
    : folder_(std::move(folder)), kind_(kind) {
  if (kind_ == RepositoryKind::file) {
    return;
  }
  const S3Server& server = S3Server::rgw();
  bucket_.emplace(server.new_bucket());
  endpoint_ = server.endpoint();
  set_keys(server.client().keys());
  if (kind_ == RepositoryKind::s3_age) {
    make_identity();
  }
}

std::string TestRepository::yaml() const {
  std::string text = fmt::format("repository:\n  url: {}\n", url());
  if (kind_ == RepositoryKind::file) {
    return text + more_;
  }
  text += fmt::format(
      "{}  s3:\n"
      "    endpoint: {}\n"
      "    region: us-east-1\n"
      "    path_style: true\n"
      "{}"
      "lease:\n"
      "  ttl: 2s\n",
      more_, endpoint_,
      in_profile_ ? "    profile: test\n"
                  : fmt::format("    access_key_id: {}\n    secret_access_key_file: {}\n",
                                keys_.access_key, (folder_ / "s3-secret").string()));
  if (!recipient_.empty()) {
    text += fmt::format("encryption:\n  recipients: [{}]\n  identity_file: {}\n", recipient_,
                        identity_file().string());
  }
  return text;
}

std::string TestRepository::url() const {
  return bucket_ ? fmt::format("s3://{}/{}", bucket_->name(), kPrefix)
                 : "file://" + folder().string();
}

void TestRepository::set_keys(const S3Keys& keys) {
  keys_ = keys;
  in_profile_ = false;
  write_text(folder_ / "s3-secret", keys.secret_key + "\n");
}

std::string TestRepository::profile_of(const S3Keys& keys) {
  return fmt::format(
      "[test]\naws_access_key_id = {}\naws_secret_access_key = {}\naws_session_token = {}\n",
      keys.access_key, keys.secret_key, keys.session_token);
}

std::vector<std::string> TestRepository::names() const {
  std::vector<std::string> names;
  if (bucket_) {
    for (const std::string& key : bucket_->keys(key_of(""))) {
      names.push_back(key.substr(key_of("").size()));
    }
  } else if (fs::exists(folder())) {
    for (const auto& entry : fs::recursive_directory_iterator(folder())) {
      if (entry.is_regular_file()) {
        names.push_back(entry.path().lexically_relative(folder()).string());
      }
    }
  }
  std::erase_if(names, serves_as_lock);
  std::ranges::sort(names);
  return names;
}

std::string TestRepository::read(const std::string& name) const {
  if (!bucket_) {
    return read_text(folder() / name);
  }
  auto content = bucket_->client().get(bucket_->name(), key_of(name));
  if (!content) {
    throw std::runtime_error("the repository has no " + name);
  }
  return std::move(*content);
}

void TestRepository::write(const std::string& name, const std::string& content) const {
  if (bucket_) {
    bucket_->client().put(bucket_->name(), key_of(name), content);
  } else {
    write_text(folder() / name, content);
  }
}

void TestRepository::remove(const std::string& name) const {
  if (bucket_) {
    bucket_->client().remove(bucket_->name(), key_of(name));
  } else {
    fs::remove(folder() / name);
  }
}

std::string TestRepository::key_of(const std::string& name) const {
  return fmt::format("{}/{}", kPrefix, name);
}

void TestRepository::make_identity() {
  const RunResult made = run({"age-keygen", "-o", identity_file().string()});
  const RunResult shown = run({"age-keygen", "-y", identity_file().string()});
  if (made.status != 0 || shown.status != 0) {
    throw std::runtime_error("age-keygen: " + made.err + shown.err);
  }
  recipient_ = shown.out.substr(0, shown.out.find('\n'));
}

}  // namespace keyrewind::test
