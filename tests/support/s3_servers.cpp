#include "support/s3_servers.h"

#include "base/random.h"
#include "support/paths.h"
#include "support/redis_server.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <string_view>
#include <thread>

namespace keyrewind::test {
namespace {

using namespace std::chrono_literals;

constexpr auto kStartLimit = 120s;
constexpr auto kReadyLimit = 30s;
constexpr auto kPollEvery = 10ms;
constexpr int kPortTries = 5;

std::filesystem::path script(const std::string& name) {
  return source_dir() / "tests/support" / name;
}

std::string first_line(const std::filesystem::path& file) {
  std::ifstream stream(file);
  std::string line;
  if (!std::getline(stream, line)) {
    throw std::runtime_error("cannot read " + file.string());
  }
  return line;
}

bool is_set_to(const char* variable, std::string_view wanted) {
  const char* value = std::getenv(variable);
  return value != nullptr && value == wanted;
}

void require(const std::string& name) {
  const RunResult result = run({script(name).string(), "installed"});
  if (result.status == 0) {
    return;
  }
  if (is_set_to("KEYREWIND_REQUIRE_SERVERS", "1") || is_set_to("CI", "true")) {
    FAIL() << name << " lacks what KEYREWIND_REQUIRE_SERVERS=1 wants: " << result.out;
  }
  GTEST_SKIP() << name << " lacks these; run tests/support/install-packages.sh: " << result.out;
}

/// Where the server of that script is, once it runs for as long as this process does.
std::filesystem::path joined(const std::string& name) {
  const auto folder = shared_servers_dir() / std::filesystem::path(name).stem();
  // Its children outlive the script, so their output must not be waited for.
  const RunResult result = run({script("shared-server.sh").string(), "join", script(name).string(),
                                folder.string(), std::to_string(getpid())},
                               kStartLimit);
  if (result.status != 0) {
    throw std::runtime_error(name + " cannot start its server: " + result.err);
  }
  return folder / "server";
}

}  // namespace

void require_rgw() {
  require("ceph-rgw.sh");
}

void require_swift() {
  require("swift-s3.sh");
}

S3Bucket::S3Bucket(S3Client client, const BucketOptions& options)
    : client_(std::move(client)), name_("kr-" + random_hex(8)) {
  client_.make_bucket(name_, options.object_lock);
  if (options.versioned) {
    client_.keep_versions(name_);
  }
}

S3Bucket::~S3Bucket() {
  if (name_.empty()) {
    return;
  }
  try {
    client_.remove_bucket(name_);
  } catch (const std::runtime_error&) {
    // The server's end takes what a lock or a fault keeps.
  }
}

S3Bucket::S3Bucket(S3Bucket&& other) noexcept
    : client_(std::move(other.client_)), name_(std::exchange(other.name_, {})) {}

const S3Server& S3Server::rgw() {
  static const S3Server server("ceph-rgw.sh", joined("ceph-rgw.sh"));
  return server;
}

const S3Server& S3Server::swift() {
  static const S3Server server("swift-s3.sh", joined("swift-s3.sh"));
  return server;
}

S3Server::S3Server(const std::string& name, const std::filesystem::path& folder)
    : script_(script(name)),
      folder_(folder),
      client_(first_line(folder / "url"), {.access_key = first_line(folder / "access_key"),
                                           .secret_key = first_line(folder / "secret_key")}) {}

S3Keys S3Server::new_user() const {
  S3Keys keys{.access_key = "USER" + random_hex(8), .secret_key = random_hex(20)};
  const RunResult result = run({script_.string(), "adduser", folder_.string(),
                                "user-" + keys.access_key, keys.access_key, keys.secret_key});
  if (result.status != 0) {
    throw std::runtime_error("cannot make a user of the S3 server: " + result.err);
  }
  return keys;
}

RgwGateway::RgwGateway(std::filesystem::path pem) : pem_(std::move(pem)) {
  for (int attempt = 1;; ++attempt) {
    port_ = free_port();
    try {
      start();
      return;
    } catch (const std::runtime_error&) {
      if (attempt == kPortTries) {
        throw;
      }
    }
  }
}

std::string RgwGateway::endpoint() const {
  return (pem_.empty() ? "http" : "https") + std::string("://127.0.0.1:") + std::to_string(port_);
}

void RgwGateway::stop() {
  process_->signal(SIGKILL);
  process_->wait();
}

void RgwGateway::start() {
  const S3Server& server = S3Server::rgw();
  std::vector<std::string> command{server.script_.string(), "gateway", server.folder_.string(),
                                   std::to_string(port_)};
  if (!pem_.empty()) {
    command.push_back(pem_.string());
  }
  process_.reset();
  process_.emplace(ProcessOptions{.command = command});
  const auto deadline = std::chrono::steady_clock::now() + kReadyLimit;
  const std::vector<std::string> ask{"curl", "-ks",       "--noproxy",     "*",
                                     "-o",   "/dev/null", endpoint() + "/"};
  while (run(ask).status != 0) {
    if (!process_->running() || std::chrono::steady_clock::now() > deadline) {
      throw std::runtime_error("the gateway does not answer:\n" + process_->out() +
                               process_->err());
    }
    std::this_thread::sleep_for(kPollEvery);
  }
}

void RgwGateway::freeze() {
  process_->signal(SIGSTOP);
}

void RgwGateway::thaw() {
  process_->signal(SIGCONT);
}

}  // namespace keyrewind::test
