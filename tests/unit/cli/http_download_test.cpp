#include "cli/http_download.h"

#include "base/error.h"
#include "support/http_server.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <string>

namespace keyrewind::cli {
namespace {

using test::HttpAnswer;
using test::HttpRequest;
using test::HttpServer;
using testing::HasSubstr;
using testing::Not;

constexpr std::size_t kPart = 1000;

std::string sample(std::size_t size) {
  std::string text;
  for (std::size_t i = 0; text.size() < size; ++i) {
    text += std::to_string(i) + " ";
  }
  return text.substr(0, size);
}

/// Answers as a server that knows ranges.
HttpAnswer ranged(const HttpRequest& request, const std::string& content) {
  const std::string range = request.header("range");
  if (range.empty()) {
    return {.body = content};
  }
  const std::size_t dash = range.find('-');
  const std::size_t first = std::stoul(range.substr(std::string("bytes=").size()));
  if (first >= content.size()) {
    return {.status = 416};
  }
  const std::size_t last = std::min(std::stoul(range.substr(dash + 1)), content.size() - 1);
  return {
      .status = 206,
      .body = content.substr(first, last - first + 1),
      .headers = {{"Content-Range", "bytes " + std::to_string(first) + "-" + std::to_string(last) +
                                        "/" + std::to_string(content.size())},
                  {"ETag", "\"v1\""}}};
}

/// As one that does not.
HttpAnswer whole(const HttpRequest& request, const std::string& content) {
  HttpAnswer answer{.body = request.method == "HEAD" ? "" : content};
  answer.content_length = content.size();
  return answer;
}

std::string read_all(HttpDownload& download) {
  std::string text;
  Bytes buffer(300);
  while (const std::size_t got = download.read(buffer)) {
    text += as_text(ByteView(buffer).first(got));
  }
  return text;
}

std::string download(const std::string& url) {
  HttpDownload one(url, {}, {.part_bytes = kPart, .retry_time = std::chrono::milliseconds(600)});
  return read_all(one);
}

Error failure_of(const std::string& url) {
  try {
    download(url);
  } catch (const Error& error) {
    return error;
  }
  return {ErrorKind::internal, "no failure"};
}

TEST(HttpDownload, ReadsInRanges) {
  const std::string content = sample(3500);
  HttpServer server([&](const HttpRequest& request) { return ranged(request, content); });

  HttpDownload one(server.url() + "/dump.rdb", {}, {.part_bytes = kPart});

  EXPECT_EQ(one.bytes(), 3500U);
  EXPECT_EQ(read_all(one), content);
  EXPECT_EQ(one.read(std::as_writable_bytes(std::span<char>())), 0U);
  EXPECT_EQ(server.requests().size(), 4U);
}

TEST(HttpDownload, ReadsWhatFitsOneRange) {
  for (const std::size_t size : {1U, 999U, 1000U, 1001U}) {
    const std::string content = sample(size);
    HttpServer server([&](const HttpRequest& request) { return ranged(request, content); });

    EXPECT_EQ(download(server.url()), content) << size;
  }
}

TEST(HttpDownload, ReadsWhatIsEmpty) {
  HttpServer ranges([&](const HttpRequest& request) { return ranged(request, ""); });
  EXPECT_EQ(download(ranges.url()), "");
  HttpServer wholes([&](const HttpRequest& request) { return whole(request, ""); });
  EXPECT_EQ(download(wholes.url()), "");
}

TEST(HttpDownload, ReadsFromServersThatGiveNoRanges) {
  for (const std::size_t size : {10U, 1000U, 100'000U}) {
    const std::string content = sample(size);
    HttpServer server([&](const HttpRequest& request) { return whole(request, content); });

    EXPECT_EQ(download(server.url()), content) << size;
  }
}

TEST(HttpDownload, WantsALengthWhereThereAreNoRanges) {
  HttpServer server([&](const HttpRequest& request) {
    return HttpAnswer{.body = request.method == "HEAD" ? "" : sample(5000), .chunked = true};
  });

  const Error error = failure_of(server.url());

  EXPECT_EQ(exit_status(error), ExitStatus::source);
  EXPECT_THAT(error.what(), HasSubstr("download it first"));
}

TEST(HttpDownload, FollowsRedirects) {
  const std::string content = sample(2500);
  HttpServer target([&](const HttpRequest& request) { return ranged(request, content); });
  HttpServer server([&](const HttpRequest& request) {
    return request.target == "/old"
               ? HttpAnswer{.status = 301, .headers = {{"Location", "/new"}}}
               : HttpAnswer{.status = 302, .headers = {{"Location", target.url() + "/dump"}}};
  });

  EXPECT_EQ(download(server.url() + "/old"), content);
  EXPECT_EQ(server.requests().size(), 2U);
}

TEST(HttpDownload, DoesNotFollowRedirectsForEver) {
  HttpServer server([](const HttpRequest&) {
    return HttpAnswer{.status = 307, .headers = {{"Location", "/again"}}};
  });

  EXPECT_THAT(failure_of(server.url()).what(), HasSubstr("more than 5 redirects"));
}

TEST(HttpDownload, AsksAgainForAWhile) {
  const std::string content = sample(2500);
  std::size_t asked = 0;
  HttpServer server([&](const HttpRequest& request) {
    HttpAnswer answer = ranged(request, content);
    ++asked;
    if (asked == 1) {
      return HttpAnswer{.status = 503};
    }
    if (asked == 3) {
      answer.fault = test::HttpFault::cut;
      answer.fault_after = 10;
    }
    return answer;
  });

  HttpDownload one(server.url(), {}, {.part_bytes = kPart});

  EXPECT_EQ(read_all(one), content);
}

TEST(HttpDownload, GivesUpInTheEnd) {
  HttpServer server([](const HttpRequest&) { return HttpAnswer{.status = 503}; });

  const Error error = failure_of(server.url());

  EXPECT_EQ(exit_status(error), ExitStatus::source);
  EXPECT_THAT(error.what(), HasSubstr("the server answers 503"));
}

TEST(HttpDownload, SaysThatItIsRefusedOrMissing) {
  HttpServer server([](const HttpRequest& request) {
    return HttpAnswer{.status = request.path() == "/secret" ? 403 : 404};
  });

  EXPECT_EQ(failure_of(server.url() + "/secret").kind(), ErrorKind::denied);
  EXPECT_THAT(failure_of(server.url() + "/x").what(), HasSubstr("/x: it is not there (404)"));
  EXPECT_EQ(server.requests().size(), 2U);
}

TEST(HttpDownload, FailsIfTheFileChangesMeanwhile) {
  std::size_t asked = 0;
  HttpServer server([&](const HttpRequest& request) {
    HttpAnswer answer = ranged(request, sample(2500));
    if (++asked == 2) {
      answer.headers.back().second = "\"v2\"";
    }
    return answer;
  });

  EXPECT_THAT(failure_of(server.url()).what(), HasSubstr("it changed while it was read"));
}

TEST(HttpDownload, FailsIfAnotherRangeComes) {
  HttpServer server([&](const HttpRequest& request) {
    HttpAnswer answer = ranged(request, sample(2500));
    answer.headers.front().second = "bytes 5-1004/2500";
    return answer;
  });

  EXPECT_EQ(failure_of(server.url()).kind(), ErrorKind::protocol);
}

TEST(HttpDownload, NeverShowsWhatMayBeSecretInAUrl) {
  HttpServer server([](const HttpRequest&) { return HttpAnswer{.status = 403}; });
  const std::string host = server.url().substr(std::string("http://").size());

  const Error error = failure_of("http://user:hunter2@" + host + "/a?X-Amz-Signature=hunter3#f");

  EXPECT_THAT(error.what(), testing::StartsWith(server.url() + "/a: the server refuses it (403)"));
  EXPECT_THAT(error.what(), Not(HasSubstr("hunter")));
  EXPECT_EQ(server.last_request().target, "/a?X-Amz-Signature=hunter3");
}

}  // namespace
}  // namespace keyrewind::cli
