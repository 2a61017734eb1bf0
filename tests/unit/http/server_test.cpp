#include "http/server.h"

#include "base/error.h"
#include "flow/group.h"
#include "http/client.h"
#include "support/raw_http.h"
#include "support/temp_dir.h"
#include "support/tls_files.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <sys/resource.h>

#include <atomic>
#include <condition_variable>
#include <fstream>
#include <mutex>
#include <vector>

namespace keyrewind::http {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using test::RawHttp;
using testing::HasSubstr;
using testing::Not;

constexpr std::chrono::seconds kPatience{60};

/// Waits until `condition` holds; false if it does not within a minute.
bool eventually(const std::function<bool()>& condition) {
  const auto end = steady_clock::now() + kPatience;
  while (!condition()) {
    if (steady_clock::now() > end) {
      return false;
    }
    std::this_thread::yield();
  }
  return true;
}

/// Says what it was asked. "/slow" is held until `open_gate`, "/later" asks to be asked again,
/// "/bug" throws, "/big" answers many bytes.
class EchoHandler final : public Handler {
 public:
  bool is_quick(const ServedRequest& request) const override {
    return request.raw_target == "/quick";
  }

  Answer handle(const ServedRequest& request) override {
    if (request.raw_target == "/slow") {
      std::unique_lock lock(mutex_);
      ++held_;
      changed_.notify_all();
      changed_.wait(lock, [this] { return is_open_; });
    }
    if (request.raw_target == "/later") {
      return Later{steady_clock::now() + milliseconds(20),
                   [] { return Answer(ServedResponse{.body = "later"}); }};
    }
    if (request.raw_target == "/bug") {
      throw std::runtime_error("secret detail");
    }
    if (request.raw_target == "/big") {
      return ServedResponse{.body = std::string(64U << 20U, 'x')};
    }
    std::string body =
        fmt::format("{} {} {} {} {}", request.method, request.raw_target, request.peer.is_local,
                    request.peer.address, request.body.size());
    if (const std::string& echo = request.header("x-echo"); !echo.empty()) {
      body += " " + echo;
    }
    return ServedResponse{.headers = {{"Content-Type", "text/plain"}}, .body = body};
  }

  ServedResponse refuse(int status) const override {
    return {.status = status, .body = fmt::format("refused {}", status)};
  }

  void wait_until_held(int number) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, kPatience, [&] { return held_ >= number; });
  }
  void open_gate() {
    const std::lock_guard lock(mutex_);
    is_open_ = true;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int held_ = 0;
  bool is_open_ = false;
};

class ServerTest : public testing::Test {
 protected:
  ~ServerTest() override {
    handler_.open_gate();
    stop();
  }

  void start(ServerOptions options = {}) {
    options.listen = options.listen.empty() ? "127.0.0.1:0" : options.listen;
    options.socket = folder_ / "s";
    server_.emplace(options, handler_);
    group_.emplace(stop_.get_token());
    group_->spawn("http", [this](const std::stop_token& token) { server_->run(token); });
  }
  void stop() {
    stop_.request_stop();
    group_.reset();
    server_.reset();
  }

  RawHttp tcp() { return RawHttp::over_tcp(*server_->port()); }
  RawHttp local() { return RawHttp::over_unix(folder_ / "s"); }

  /// The reply to one request on a connection of its own.
  std::optional<test::RawReply> ask(const std::string& target, const std::string& method = "GET") {
    RawHttp connection = tcp();
    connection.send(fmt::format("{} {} HTTP/1.1\r\nHost: x\r\n\r\n", method, target));
    return connection.reply(method == "HEAD");
  }

  const test::TempDir folder_;
  EchoHandler handler_;
  std::stop_source stop_;
  std::optional<Server> server_;
  std::optional<flow::Group> group_;
};

TEST_F(ServerTest, AnswersOverTcpAndTheUnixSocket) {
  start();
  RawHttp local_connection = local();
  local_connection.send("GET /b HTTP/1.1\r\nHost: x\r\nX-Echo: e\r\n\r\n");

  EXPECT_EQ(ask("/a?b=c")->body, "GET /a?b=c true 127.0.0.1 0");
  EXPECT_EQ(local_connection.reply()->body, "GET /b true unix 0 e");
}

TEST_F(ServerTest, KeepsConnectionsAndAnswersPipelinedRequestsInOrder) {
  start();
  RawHttp connection = tcp();
  std::string requests;
  for (int i = 0; i < 20; ++i) {
    requests += fmt::format("POST /{} HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", i);
  }
  connection.send(requests);

  for (int i = 0; i < 20; ++i) {
    const auto reply = connection.reply();
    ASSERT_TRUE(reply);
    EXPECT_EQ(reply->body, fmt::format("POST /{} true 127.0.0.1 3", i));
  }
}

TEST_F(ServerTest, AnswersHeadWithoutABody) {
  start();

  const auto reply = ask("/a", "HEAD");

  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->status, 200);
  EXPECT_NE(reply->headers.at("content-length"), "0");
  EXPECT_EQ(reply->headers.at("content-type"), "text/plain");
}

TEST_F(ServerTest, TakesAChunkedBody) {
  start();
  RawHttp connection = tcp();
  connection.send(
      "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
      "3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n");

  EXPECT_EQ(connection.reply()->body, "POST /a true 127.0.0.1 7");
}

TEST_F(ServerTest, AsksTheHandlerAgainLater) {
  start();

  EXPECT_EQ(ask("/later")->body, "later");
}

TEST_F(ServerTest, TellsNothingOfABug) {
  start();

  EXPECT_EQ(ask("/bug")->status, 500);
  EXPECT_EQ(ask("/bug")->body, "refused 500");
  EXPECT_EQ(ask("/a")->status, 200);
}

TEST_F(ServerTest, AnswersQuickRequestsWhileAllOthersHang) {
  start();
  std::vector<RawHttp> hanging;
  for (int i = 0; i < 10; ++i) {
    hanging.push_back(tcp());
    hanging.back().send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
  }
  handler_.wait_until_held(2);

  EXPECT_EQ(ask("/quick")->status, 200);

  handler_.open_gate();
  for (RawHttp& connection : hanging) {
    EXPECT_EQ(connection.reply()->status, 200);
  }
}

TEST_F(ServerTest, RefusesALargeBodyBeforeItIsSent) {
  start({.max_body = 1000});
  for (const char* method : {"POST", "PUT", "PATCH", "DELETE"}) {
    RawHttp connection = tcp();
    connection.send(
        fmt::format("{} /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1073741824\r\n\r\n", method));

    const auto reply = connection.reply();

    ASSERT_TRUE(reply) << method;
    EXPECT_EQ(reply->status, 413) << method;
    EXPECT_EQ(reply->body, "refused 413");
    EXPECT_TRUE(connection.is_closed()) << method;
  }
}

TEST_F(ServerTest, RefusesALargeBodyOfUnknownLength) {
  start({.max_body = 1000});
  RawHttp connection = tcp();
  connection.send("POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
  connection.send("7d0\r\n" + std::string(2000, 'x') + "\r\n0\r\n\r\n");

  EXPECT_EQ(connection.reply()->status, 413);
}

TEST_F(ServerTest, DoesNotReadAnEndlessBody) {
  start({.max_body = 1000});
  RawHttp connection = tcp();
  connection.send("POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
  const std::string chunk = "10000\r\n" + std::string(65536, 'x') + "\r\n";
  std::size_t taken = 0;
  while (taken < (1U << 30U)) {
    const std::size_t sent = connection.send(chunk);
    taken += sent;
    if (sent < chunk.size()) {
      break;
    }
  }

  // What the kernel's buffers hold comes on top of what the server reads.
  EXPECT_LT(taken, 64U << 20U);
  EXPECT_EQ(ask("/a")->status, 200);
}

class ServerBrokenRequest : public ServerTest, public testing::WithParamInterface<const char*> {};

TEST_P(ServerBrokenRequest, IsRefusedOrDropped) {
  start();
  RawHttp connection = tcp();
  connection.send(GetParam());

  const auto reply = connection.reply();

  EXPECT_TRUE(!reply || (reply->status >= 400 && reply->status < 500)) << reply->status;
  EXPECT_EQ(ask("/a")->status, 200);
}

INSTANTIATE_TEST_SUITE_P(
    All, ServerBrokenRequest,
    testing::Values(
        "GET //etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /%2e%2e/etc HTTP/1.1\r\nHost: x\r\n\r\n", "GET /a%00b HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /a HTTP/1.1\r\n\r\n", "GET * HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
        "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n"));

TEST_F(ServerTest, BoundsTheHead) {
  start();
  const std::vector<std::string> floods = {
      fmt::format("GET /a HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", std::string(1U << 20U, 'x')),
      fmt::format("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", std::string(1U << 20U, 'x')),
      "GET /a HTTP/1.1\r\nHost: x\r\n" +
          [] {
            std::string many;
            for (int i = 0; i < 50000; ++i) {
              many += fmt::format("X-{}: y\r\n", i);
            }
            return many;
          }() +
          "\r\n"};
  for (const std::string& flood : floods) {
    RawHttp connection = tcp();
    connection.send(flood);
    const auto reply = connection.reply();

    EXPECT_TRUE(!reply || (reply->status >= 400 && reply->status < 500)) << reply->status;
  }
  EXPECT_EQ(ask("/a")->status, 200);
}

TEST_F(ServerTest, ClosesConnectionsWhoseHeadDoesNotCome) {
  start({.head_timeout = milliseconds(100)});
  RawHttp silent = tcp();
  RawHttp slow = tcp();
  slow.send("GET /a HTTP/1.1\r\nHo");

  EXPECT_TRUE(silent.is_closed());
  EXPECT_TRUE(slow.is_closed());
}

TEST_F(ServerTest, DoesNotLetASlowSenderLiveFromByteToByte) {
  start({.head_timeout = milliseconds(300)});
  RawHttp slow = tcp();
  slow.send("GET /a HTTP/1.1\r\nHost: x\r\nX: ");

  // Each byte is in time; all together are not.
  EXPECT_TRUE(eventually([&] { return slow.send("x") == 0; }));
}

TEST_F(ServerTest, ClosesConnectionsWhoseBodyDoesNotCome) {
  start({.body_timeout = milliseconds(100)});
  RawHttp slow = tcp();
  slow.send("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");

  EXPECT_TRUE(slow.is_closed());
}

TEST_F(ServerTest, ClosesConnectionsThatDoNotTakeTheirAnswer) {
  start({.send_timeout = milliseconds(200)});
  RawHttp stuck = tcp();
  stuck.send("GET /big HTTP/1.1\r\nHost: x\r\n\r\nGET /a HTTP/1.1\r\nHost: x\r\n\r\n");

  EXPECT_TRUE(eventually([&] { return stuck.send("x") == 0; }));
}

TEST_F(ServerTest, StaysBelowItsBoundAndServesNewcomersUnderTenThousandConnections) {
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  limit.rlim_cur = limit.rlim_max;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  start({.max_connections = 50});
  std::vector<RawHttp> crowd;
  const std::size_t many = std::min<std::size_t>(10'000, limit.rlim_cur - 500);
  for (std::size_t i = 0; i < many; ++i) {
    crowd.push_back(tcp());
    crowd.back().send("GET /a HTTP/1.1\r\n");
  }

  EXPECT_EQ(ask("/quick")->status, 200);
  EXPECT_EQ(local().send("x"), 1U);
  EXPECT_LE(server_->open_connections(), 50U + 1U);

  crowd.clear();
  EXPECT_TRUE(eventually([&] { return server_->open_connections() <= 1; }));
  EXPECT_EQ(ask("/a")->status, 200);
}

TEST_F(ServerTest, TurnsNewcomersAwayWhileAllAreBeingAnswered) {
  start({.max_connections = 3});
  std::vector<RawHttp> hanging;
  for (int i = 0; i < 3; ++i) {
    hanging.push_back(tcp());
    hanging.back().send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
  }
  handler_.wait_until_held(2);
  ASSERT_TRUE(eventually([&] { return server_->open_connections() == 3; }));

  EXPECT_TRUE(tcp().is_closed());

  handler_.open_gate();
  for (RawHttp& connection : hanging) {
    EXPECT_EQ(connection.reply()->status, 200);
  }
}

TEST_F(ServerTest, FinishesAnAnswerBeforeItStops) {
  start();
  RawHttp connection = tcp();
  connection.send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
  handler_.wait_until_held(1);
  stop_.request_stop();
  handler_.open_gate();

  EXPECT_EQ(connection.reply()->status, 200);
}

TEST_F(ServerTest, AnswersWhatItHasNotBegunWithUnavailable) {
  start();
  std::vector<RawHttp> hanging;
  for (int i = 0; i < 5; ++i) {
    hanging.push_back(tcp());
    hanging.back().send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
  }
  handler_.wait_until_held(2);
  ASSERT_TRUE(eventually([&] { return server_->open_connections() == 5; }));
  stop_.request_stop();
  handler_.open_gate();

  for (RawHttp& connection : hanging) {
    const auto reply = connection.reply();
    EXPECT_TRUE(!reply || reply->status == 200 || reply->status == 503);
  }
}

TEST_F(ServerTest, ServesTlsAndTakesNewCertificates) {
  const test::TlsFiles files;
  const test::TlsFiles others;
  const auto put = [&](const test::TlsFiles& from) {
    std::filesystem::copy_file(from.server_key(), folder_ / "key",
                               std::filesystem::copy_options::overwrite_existing);
    std::filesystem::copy_file(from.server_cert(), folder_ / "cert",
                               std::filesystem::copy_options::overwrite_existing);
  };
  put(files);
  start({.cert_file = folder_ / "cert", .key_file = folder_ / "key"});
  const std::string url = fmt::format("https://localhost:{}/a", *server_->port());
  const auto status = [&](Client& client) {
    try {
      return client.send({.url = url}, {}).status;
    } catch (const Error&) {
      return 0;
    }
  };
  Client old_client({.ca_file = files.ca_cert()});
  EXPECT_EQ(status(old_client), 200);

  put(others);
  EXPECT_TRUE(eventually([&] {
    Client client({.ca_file = others.ca_cert()});
    return status(client) == 200;
  }));
  // On its connection, which is older than the new certificate.
  EXPECT_EQ(status(old_client), 200);

  std::ofstream(folder_ / "cert") << "broken";
  EXPECT_EQ(ask("/plain"), std::nullopt);
  Client client({.ca_file = others.ca_cert()});
  EXPECT_EQ(status(client), 200);
}

TEST_F(ServerTest, NamesACertificateThatCannotBeUsed) {
  const test::TlsFiles files;
  const auto failure = [&](const std::filesystem::path& cert, const std::filesystem::path& key) {
    try {
      start({.cert_file = cert, .key_file = key});
      return std::string("started");
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::config);
      return std::string(error.what());
    }
  };

  EXPECT_THAT(failure(folder_ / "none", files.server_key()), HasSubstr("none"));
  EXPECT_THAT(failure(files.server_cert(), files.stranger_key()), HasSubstr("stranger.key"));
  EXPECT_THAT(failure(files.server_cert(), files.locked_key()), HasSubstr("locked.key"));
}

}  // namespace
}  // namespace keyrewind::http
