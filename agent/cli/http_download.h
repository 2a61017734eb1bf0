#pragma once

#include "base/bytes.h"
#include "base/error.h"
#include "http/client.h"

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>

namespace keyrewind::cli {

struct HttpDownloadOptions {
  std::size_t part_bytes = 8U << 20U;
  /// How long a part is asked for again before the whole fails.
  std::chrono::milliseconds retry_time{60000};
};

/// A file behind a URL, read from its beginning to its end in bounded memory: in ranges, or, where
/// a server gives none, by way of a temporary file that nobody else sees.
///
/// Redirects are followed, but not from https to http. What failed is asked for again for a while;
/// a file that changes meanwhile is a failure.
class HttpDownload {
 public:
  /// Asks for the beginning. Throws Error(Side::source, unavailable | denied | protocol), as `read`
  /// does, and Error(config) if the URL is none.
  HttpDownload(const std::string& url, std::stop_token stop, HttpDownloadOptions options = {});
  ~HttpDownload();

  /// The URL without user name, password, query and fragment: they may hold secrets.
  const std::string& shown() const noexcept { return shown_; }

  std::optional<std::uint64_t> bytes() const noexcept { return bytes_; }

  /// Some more of it; 0 at its end.
  std::size_t read(std::span<std::byte> into);

 private:
  class WholeFile;

  void begin();
  void fetch_next();
  void download_whole();
  http::Response ask(http::Request request);
  http::Response ask_once(const http::Request& request);
  bool follow(const http::Response& response);
  void check_unchanged(const http::Response& response);
  std::uint64_t check_range(const http::Response& response) const;
  Error failure(ErrorKind kind, const std::string& what) const;
  Error refusal(int status) const;

  const std::stop_token stop_;
  const HttpDownloadOptions options_;
  http::Client client_;
  std::string url_;
  std::string shown_;
  std::optional<std::uint64_t> bytes_;
  std::string version_;  ///< ETag, or when it was modified.
  std::uint64_t fetched_ = 0;
  Bytes part_;
  ByteView rest_;  ///< Of `part_` or of the whole file.
  std::unique_ptr<WholeFile> whole_;
};

}  // namespace keyrewind::cli
