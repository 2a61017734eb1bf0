#include "cli/rdb_source.h"

#include "base/error.h"
#include "cli/http_download.h"
#include "config/storage_options.h"
#include "io/fd.h"
#include "io/file.h"
#include "s3/s3_store.h"
#include "storage/url.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <memory>
#include <utility>

namespace keyrewind::cli {
namespace {

/// So much of an object is asked for at once.
constexpr std::uint64_t kPartBytes = 8U << 20U;

std::size_t read_some(int file, std::span<std::byte> into, const std::string& name) {
  while (true) {
    const ssize_t got = ::read(file, into.data(), into.size());
    if (got >= 0) {
      return static_cast<std::size_t>(got);
    }
    if (errno != EINTR) {
      throw io::file_error(Side::here, errno, "read", name);
    }
  }
}

backup::ForeignRdb open_stdin() {
  return {.from = "standard input", .read = [](std::span<std::byte> into) {
            return read_some(STDIN_FILENO, into, "standard input");
          }};
}

backup::ForeignRdb open_file(const std::string& path) {
  auto file = std::make_shared<io::Fd>(io::open_to_read(path, Side::here));
  struct stat status {};
  if (::fstat(file->number(), &status) != 0) {
    throw io::file_error(Side::here, errno, "read", path);
  }
  if (S_ISDIR(status.st_mode)) {
    throw Error(ErrorKind::config,
                fmt::format("{} is a folder; name the RDB in it, such as dump.rdb", path));
  }
  backup::ForeignRdb rdb{.from = path, .read = [file, path](std::span<std::byte> into) {
                           return read_some(file->number(), into, path);
                         }};
  if (S_ISREG(status.st_mode)) {
    rdb.bytes = static_cast<std::uint64_t>(status.st_size);
  }
  return rdb;
}

backup::ForeignRdb open_http(const std::string& url, std::stop_token stop) {
  auto download = std::make_shared<HttpDownload>(url, std::move(stop));
  return {.from = download->shown(),
          .read = [download](std::span<std::byte> into) { return download->read(into); },
          .bytes = download->bytes()};
}

/// What a store tells as the repository's failure is the source's here.
template <typename Work>
auto of_source(const std::string& url, const Work& work) {
  try {
    return work();
  } catch (Error& error) {
    error.add_context(url);
    if (error.side() == Side::repository) {
      throw Error(Side::source, error.kind(), error.what());
    }
    throw;
  }
}

/// An object of an S3 store, read part by part.
class S3Object {
 public:
  S3Object(s3::S3Options options, const std::string& key, std::string url, const Clock& clock,
           std::stop_token stop)
      : url_(std::move(url)), name_(key.substr(key.rfind('/') + 1)), stop_(std::move(stop)) {
    const auto slash = key.rfind('/');
    options.prefix = slash == std::string::npos ? "" : key.substr(0, slash);
    store_ = std::make_unique<s3::S3Store>(std::move(options), clock);
    const auto info = of_source(url_, [&] { return store_->head(name_, stop_); });
    if (!info) {
      throw Error(Side::source, ErrorKind::unavailable, url_ + " is not there");
    }
    bytes_ = info->bytes;
  }

  std::uint64_t bytes() const noexcept { return bytes_; }

  std::size_t read(std::span<std::byte> into) {
    if (at_ == part_.size()) {
      fetch();
    }
    const std::size_t size = std::min(into.size(), part_.size() - at_);
    std::copy_n(part_.begin() + static_cast<std::ptrdiff_t>(at_), size, into.begin());
    at_ += size;
    return size;
  }

 private:
  void fetch() {
    part_.resize(static_cast<std::size_t>(std::min(kPartBytes, bytes_ - fetched_)));
    at_ = 0;
    if (!part_.empty()) {
      of_source(url_, [&] { store_->read(name_, fetched_, part_, stop_); });
      fetched_ += part_.size();
    }
  }

  const std::string url_;
  const std::string name_;
  const std::stop_token stop_;
  std::unique_ptr<s3::S3Store> store_;
  std::uint64_t bytes_ = 0;
  std::uint64_t fetched_ = 0;
  Bytes part_;
  std::size_t at_ = 0;  ///< In `part_`.
};

/// Of the first repository that is in S3. How that one's own objects are encrypted says nothing of
/// others.
s3::S3Options s3_options(const config::Config& config) {
  for (const std::string& name : config::repository_names(config)) {
    if (config::find_repository(config, name).url.starts_with("s3://")) {
      s3::S3Options options = config::to_storage_options(config, name, config::Identities::none).s3;
      options.server_side_encryption.clear();
      options.customer_key = Secret();
      options.observer = {};
      return options;
    }
  }
  return config::to_storage_options(config, config::Config::kPrimary, config::Identities::none).s3;
}

backup::ForeignRdb open_s3(const std::string& url, const config::Config& config, const Clock& clock,
                           std::stop_token stop) {
  const auto place = std::get<storage::BucketUrl>(storage::parse_url(url));
  if (place.prefix.empty()) {
    throw Error(ErrorKind::config, fmt::format("'{}' names no object; write s3://BUCKET/KEY", url));
  }
  s3::S3Options options = s3_options(config);
  options.bucket = place.bucket;
  auto object =
      std::make_shared<S3Object>(std::move(options), place.prefix, url, clock, std::move(stop));
  return {.from = url,
          .read = [object](std::span<std::byte> into) { return object->read(into); },
          .bytes = object->bytes()};
}

}  // namespace

backup::ForeignRdb open_rdb(const std::string& where, const config::Config& config,
                            const Clock& clock, std::stop_token stop) {
  constexpr std::string_view kFileScheme = "file://";
  if (where == "-") {
    return open_stdin();
  }
  if (where.starts_with("http://") || where.starts_with("https://")) {
    return open_http(where, std::move(stop));
  }
  if (where.starts_with("s3://")) {
    return open_s3(where, config, clock, std::move(stop));
  }
  if (where.starts_with(kFileScheme)) {
    return open_file(where.substr(kFileScheme.size()));
  }
  const auto scheme = where.find("://");
  if (scheme != std::string::npos && where.find('/') == scheme + 1) {
    throw Error(ErrorKind::config,
                fmt::format("an RDB can't be read from {}://; give a file, http://, https:// or "
                            "s3://",
                            where.substr(0, scheme)));
  }
  return open_file(where);
}

}  // namespace keyrewind::cli
