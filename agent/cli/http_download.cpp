#include "cli/http_download.h"

#include "flow/pause.h"
#include "io/fd.h"
#include "io/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <string_view>
#include <utility>

namespace keyrewind::cli {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr int kMostRedirects = 5;
constexpr milliseconds kFirstPause{500};
constexpr milliseconds kLongestPause{8000};

constexpr int kOk = 200;
constexpr int kPartial = 206;
constexpr int kNoSuchRange = 416;

/// Without user name, password, query and fragment.
std::string shown_url(std::string_view url) {
  const std::size_t host = url.find("://") + 3;
  std::string_view rest = url.substr(host);
  rest = rest.substr(0, rest.find_first_of("?#"));
  const std::size_t slash = std::min(rest.find('/'), rest.size());
  const std::size_t at = rest.substr(0, slash).rfind('@');
  return std::string(url.substr(0, host)) +
         std::string(at == std::string_view::npos ? rest : rest.substr(at + 1));
}

std::string without_fragment(const std::string& url) {
  return url.substr(0, url.find('#'));
}

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool is_number = failure == std::errc() && end == text.data() + text.size();
  return is_number ? std::optional(value) : std::nullopt;
}

/// "bytes 0-99/1000" (RFC 9110, 14.4).
struct ContentRange {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  std::uint64_t total = 0;
};

std::optional<ContentRange> parse_content_range(std::string_view text) {
  constexpr std::string_view kUnit = "bytes ";
  const auto dash = text.find('-');
  const auto slash = text.find('/');
  if (!text.starts_with(kUnit) || dash == std::string_view::npos ||
      slash == std::string_view::npos || slash < dash) {
    return std::nullopt;
  }
  const auto first = number(text.substr(kUnit.size(), dash - kUnit.size()));
  const auto last = number(text.substr(dash + 1, slash - dash - 1));
  const auto total = number(text.substr(slash + 1));
  if (!first || !last || !total) {
    return std::nullopt;
  }
  return ContentRange{*first, *last, *total};
}

bool is_redirect(int status) {
  constexpr std::array<int, 5> kRedirects{301, 302, 303, 307, 308};
  return std::find(kRedirects.begin(), kRedirects.end(), status) != kRedirects.end();
}

bool may_pass(int status) {
  return status == 408 || status == 429 || status >= 500;
}

}  // namespace

/// Room for all of it on the disk, under no name.
class HttpDownload::WholeFile {
 public:
  explicit WholeFile(std::uint64_t bytes) : size_(static_cast<std::size_t>(bytes)) {
    const std::filesystem::path folder = std::filesystem::temp_directory_path();
    std::string name = (folder / "keyrewind-import-XXXXXX").string();
    file_ = io::Fd(::mkostemp(name.data(), O_CLOEXEC));
    if (!file_) {
      throw io::file_error(Side::here, errno, "make a temporary file in", folder);
    }
    ::unlink(name.c_str());
    // Room that is only promised would end the process when it is written to.
    if (const int failure = ::posix_fallocate(file_.number(), 0, static_cast<off_t>(bytes))) {
      throw io::file_error(Side::here, failure, fmt::format("make room for {} bytes in", bytes),
                           folder);
    }
    void* const address =
        ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED, file_.number(), 0);
    if (address == MAP_FAILED) {
      throw io::file_error(Side::here, errno, "map a temporary file in", folder);
    }
    address_ = static_cast<std::byte*>(address);
  }
  ~WholeFile() { ::munmap(address_, size_); }
  WholeFile(const WholeFile&) = delete;
  WholeFile& operator=(const WholeFile&) = delete;

  std::span<std::byte> bytes() const noexcept { return {address_, size_}; }

 private:
  const std::size_t size_;
  io::Fd file_;
  std::byte* address_ = nullptr;
};

HttpDownload::HttpDownload(const std::string& url, std::stop_token stop,
                           HttpDownloadOptions options)
    : stop_(std::move(stop)),
      options_(options),
      client_(http::ClientOptions{.ca_file = {}}),
      url_(without_fragment(url)),
      shown_(shown_url(url)) {
  begin();
}

HttpDownload::~HttpDownload() = default;

std::size_t HttpDownload::read(std::span<std::byte> into) {
  if (rest_.empty()) {
    fetch_next();
  }
  const std::size_t size = std::min(into.size(), rest_.size());
  std::ranges::copy(rest_.first(size), into.begin());
  rest_ = rest_.subspan(size);
  return size;
}

void HttpDownload::begin() {
  part_.resize(options_.part_bytes);
  http::Response response;
  try {
    response = ask({.url = {},
                    .headers = {{"Range", fmt::format("bytes=0-{}", part_.size() - 1)}},
                    .into = part_});
  } catch (const Error& error) {
    // Longer than what was asked for: the server gives no ranges.
    if (error.kind() != ErrorKind::protocol || error.side() != Side::source) {
      throw;
    }
    download_whole();
    return;
  }
  check_unchanged(response);
  if (response.status == kNoSuchRange) {
    bytes_ = 0;  // What is empty has no first byte.
    return;
  }
  bytes_ = response.status == kPartial ? check_range(response) : response.received;
  fetched_ = response.received;
  rest_ = ByteView(part_).first(static_cast<std::size_t>(response.received));
}

void HttpDownload::fetch_next() {
  if (fetched_ >= bytes_.value_or(0)) {
    return;
  }
  const auto room = std::span(part_).first(
      static_cast<std::size_t>(std::min<std::uint64_t>(part_.size(), *bytes_ - fetched_)));
  const http::Response response =
      ask({.url = {},
           .headers = {{"Range", fmt::format("bytes={}-{}", fetched_, fetched_ + room.size() - 1)}},
           .into = room});
  check_unchanged(response);
  if (response.status != kPartial || check_range(response) != *bytes_) {
    throw failure(ErrorKind::unavailable, "it changed while it was read; try again");
  }
  fetched_ += response.received;
  rest_ = ByteView(room).first(static_cast<std::size_t>(response.received));
}

void HttpDownload::download_whole() {
  const http::Response head = ask({.method = "HEAD", .url = {}});
  const auto length = number(head.header("content-length"));
  if (head.status != kOk || !length || *length == 0) {
    throw failure(ErrorKind::protocol,
                  "the server gives no ranges and does not say how long it is; download it first");
  }
  whole_ = std::make_unique<WholeFile>(*length);
  part_ = Bytes();
  const http::Response response = ask({.url = {}, .into = whole_->bytes()});
  if (response.status != kOk || response.received != *length) {
    throw failure(ErrorKind::unavailable, "it changed while it was read; try again");
  }
  bytes_ = fetched_ = *length;
  rest_ = whole_->bytes();
}

/// Asks until there is an answer that counts, for a while.
http::Response HttpDownload::ask(http::Request request) {
  const auto give_up = steady_clock::now() + options_.retry_time;
  for (milliseconds pause = kFirstPause;; pause = std::min(2 * pause, kLongestPause)) {
    const bool is_last = steady_clock::now() + pause > give_up;
    try {
      http::Response response = ask_once(request);
      if (!may_pass(response.status) || is_last) {
        const bool is_answer = response.status == kOk || response.status == kPartial ||
                               response.status == kNoSuchRange;
        if (!is_answer) {
          throw refusal(response.status);
        }
        return response;
      }
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::unavailable || error.side() != Side::repository || is_last) {
        throw error.side() == Side::repository ? Error(Side::source, error.kind(), error.what())
                                               : error;
      }
    }
    flow::pause(pause, stop_);
  }
}

http::Response HttpDownload::ask_once(const http::Request& request) {
  for (int redirects = 0; redirects <= kMostRedirects; ++redirects) {
    http::Request here = request;
    here.url = url_;
    http::Response response = client_.send(here, stop_);
    if (!is_redirect(response.status) || !follow(response)) {
      return response;
    }
  }
  throw failure(ErrorKind::protocol, fmt::format("more than {} redirects", kMostRedirects));
}

/// Whether the answer names another place to ask.
bool HttpDownload::follow(const http::Response& response) {
  const std::string& location = response.header("location");
  if (location.starts_with('/') && !location.starts_with("//")) {
    url_ = without_fragment(url_.substr(0, url_.find('/', url_.find("://") + 3)) + location);
    return true;
  }
  const bool is_tls = location.starts_with("https://");
  if (!is_tls && !location.starts_with("http://")) {
    return false;
  }
  if (!is_tls && url_.starts_with("https://")) {
    throw failure(ErrorKind::denied, "it is redirected from https:// to http://");
  }
  url_ = without_fragment(location);
  return true;
}

void HttpDownload::check_unchanged(const http::Response& response) {
  const std::string& tag = response.header("etag");
  const std::string& version = tag.empty() ? response.header("last-modified") : tag;
  if (fetched_ != 0 && version != version_) {
    throw failure(ErrorKind::unavailable, "it changed while it was read; try again");
  }
  version_ = version;
}

/// How long the whole is. Throws if the range is not the one that was asked for.
std::uint64_t HttpDownload::check_range(const http::Response& response) const {
  const auto range = parse_content_range(response.header("content-range"));
  if (!range || range->first != fetched_ || response.received == 0 ||
      range->last != fetched_ + response.received - 1 || range->total <= range->last) {
    throw failure(ErrorKind::protocol, "the server gives another range than the one asked for");
  }
  return range->total;
}

Error HttpDownload::failure(ErrorKind kind, const std::string& what) const {
  return {Side::source, kind, fmt::format("{}: {}", shown_, what)};
}

Error HttpDownload::refusal(int status) const {
  switch (status) {
    case 401:
    case 403:
      return failure(ErrorKind::denied,
                     fmt::format("the server refuses it ({}); a URL that was signed may have "
                                 "expired",
                                 status));
    case 404:
    case 410:
      return failure(ErrorKind::unavailable, fmt::format("it is not there ({})", status));
    default:
      return failure(ErrorKind::unavailable, fmt::format("the server answers {}", status));
  }
}

}  // namespace keyrewind::cli
