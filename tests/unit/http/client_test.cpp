#include "http/client.h"

#include "base/error.h"
#include "flow/group.h"
#include "support/http_server.h"
#include "support/process.h"
#include "support/temp_dir.h"
#include "support/tls_files.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <thread>

namespace keyrewind::http {
namespace {

using namespace std::chrono_literals;
using test::HttpAnswer;
using test::HttpFault;
using test::HttpRequest;
using test::HttpServer;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

/// What `call` throws; fails the test if it throws nothing.
Error failure_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "nothing was thrown";
  return {ErrorKind::internal, ""};
}

std::string text(const Response& response) {
  return std::string(as_text(response.body));
}

/// Over any limit that the tests wait for, and below what anybody would wait for a hung test.
ClientOptions impatient() {
  ClientOptions options;
  options.stall_timeout = 200ms;
  return options;
}

/// A port of the loopback on which nobody listens.
std::uint16_t closed_port() {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ::bind(socket, reinterpret_cast<sockaddr*>(&address), size);
  ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size);
  ::close(socket);
  return ::ntohs(address.sin_port);
}

class ClientTest : public testing::Test {
 protected:
  Request get(const std::string& path = "/") const {
    Request request;
    request.url = server_.url() + path;
    return request;
  }

  Request with_body(const std::string& method, std::string_view body) const {
    Request request = get();
    request.method = method;
    request.body = as_bytes(body);
    return request;
  }

  HttpServer server_;
  Client client_{ClientOptions{}};
};

TEST_F(ClientTest, GivesTheWholeAnswer) {
  server_.add({.status = 203, .body = "hello", .headers = {{"ETag", "\"x\""}, {"X-Empty", ""}}});

  const Response response = client_.send(get(), {});

  EXPECT_EQ(response.status, 203);
  EXPECT_EQ(text(response), "hello");
  EXPECT_EQ(response.received, 5);
  EXPECT_EQ(response.header("etag"), "\"x\"");
  EXPECT_EQ(response.header("x-empty"), "");
  EXPECT_EQ(response.header("no-such"), "");
  EXPECT_GT(response.duration.count(), 0);
}

TEST_F(ClientTest, SendsPathAndQueryAsTheyStand) {
  server_.add({});

  (void)client_.send(get("/a/../b/./%7E%2f//c?x=%2F&y=a+b&z"), {});

  EXPECT_EQ(server_.last_request().target, "/a/../b/./%7E%2f//c?x=%2F&y=a+b&z");
}

TEST_F(ClientTest, SendsHeadersInTheirOrderEvenWithoutAValue) {
  server_.add({});
  Request request = get();
  request.headers = {{"X-One", "1"}, {"x-amz-meta-empty", ""}, {"X-Two", "two words"}};

  (void)client_.send(request, {});

  const HttpRequest sent = server_.last_request();
  EXPECT_EQ(sent.header("x-one"), "1");
  EXPECT_TRUE(sent.has_header("x-amz-meta-empty"));
  EXPECT_EQ(sent.header("x-two"), "two words");
  EXPECT_THAT(sent.header("user-agent"), testing::StartsWith("keyrewind/"));
}

TEST_F(ClientTest, SaysTheLengthOfEveryBodyEvenOfAnEmptyOne) {
  for (const char* method : {"PUT", "POST"}) {
    server_.add({});
    server_.add({});

    (void)client_.send(with_body(method, "content"), {});
    EXPECT_EQ(server_.last_request().method, method);
    EXPECT_EQ(server_.last_request().body, "content");
    EXPECT_EQ(server_.last_request().header("content-length"), "7");
    (void)client_.send(with_body(method, ""), {});
    EXPECT_EQ(server_.last_request().header("content-length"), "0");
    EXPECT_FALSE(server_.last_request().has_header("transfer-encoding"));
  }
}

TEST_F(ClientTest, SendsDeleteWithoutABody) {
  server_.add({.status = 204});

  Request request = get("/object");
  request.method = "DELETE";
  const Response response = client_.send(request, {});

  EXPECT_EQ(response.status, 204);
  EXPECT_EQ(server_.last_request().method, "DELETE");
  EXPECT_FALSE(server_.last_request().has_header("transfer-encoding"));
}

TEST_F(ClientTest, ExpectsNoBodyOfHead) {
  server_.add({.body = "12345"});
  server_.add({});
  Request request = get();
  request.method = "HEAD";

  const Response response = client_.send(request, {});

  EXPECT_EQ(response.header("content-length"), "5");
  EXPECT_TRUE(response.body.empty());
  EXPECT_EQ(client_.send(get(), {}).status, 200);
  EXPECT_EQ(server_.connections(), 1);
}

TEST_F(ClientTest, AsksBeforeLargeBodiesOnly) {
  server_.add({});
  server_.add({});
  const std::string large(2U << 20U, 'x');

  (void)client_.send(with_body("PUT", "small"), {});
  EXPECT_FALSE(server_.last_request().has_header("expect"));
  (void)client_.send(with_body("PUT", large), {});

  EXPECT_EQ(server_.last_request().header("expect"), "100-continue");
  EXPECT_TRUE(server_.last_request().body == large);
}

TEST_F(ClientTest, UsesAConnectionAgain) {
  server_.add({.body = "one"});
  server_.add({.status = 404, .body = "none"});
  server_.add({.body = "three"});

  (void)client_.send(get(), {});
  (void)client_.send(with_body("PUT", "content"), {});
  (void)client_.send(get(), {});

  EXPECT_EQ(server_.connections(), 1);
}

TEST_F(ClientTest, FollowsNoRedirect) {
  server_.add({.status = 307, .headers = {{"Location", server_.url() + "/elsewhere"}}});

  EXPECT_EQ(client_.send(get(), {}).status, 307);
}

TEST_F(ClientTest, PutsBodiesWhereTheyAreWanted) {
  server_.add({.status = 206, .body = "0123"});
  Bytes into(10);
  Request request = get();
  request.into = into;

  const Response response = client_.send(request, {});

  EXPECT_EQ(response.received, 4);
  EXPECT_TRUE(response.body.empty());
  EXPECT_EQ(as_text(ByteView(into).first(4)), "0123");
}

TEST_F(ClientTest, KeepsABodyThatExplainsAFailureApart) {
  server_.add({.status = 403, .body = "no"});
  Bytes into(1);
  Request request = get();
  request.into = into;

  EXPECT_EQ(text(client_.send(request, {})), "no");
}

TEST_F(ClientTest, TakesNoMoreThanItWasTold) {
  for (const bool chunked : {false, true}) {
    server_.add({.body = "0123456789", .chunked = chunked});
    server_.add({.body = "0123456789", .chunked = chunked});
    server_.add({.body = "0123456789", .chunked = chunked});
    Bytes into(9);
    Request request = get("/?secret");

    request.max_body = 10;
    EXPECT_EQ(text(client_.send(request, {})), "0123456789");
    request.max_body = 9;
    const Error error = failure_of([&] { (void)client_.send(request, {}); });
    EXPECT_EQ(error.kind(), ErrorKind::protocol);
    EXPECT_THAT(error.what(), AllOf(HasSubstr("127.0.0.1"), Not(HasSubstr("secret"))));
    request.into = into;
    EXPECT_EQ(failure_of([&] { (void)client_.send(request, {}); }).kind(), ErrorKind::protocol);
  }
}

TEST_F(ClientTest, ReadsAChunkedAnswer) {
  const std::string body(100'000, 'x');
  server_.add({.body = body, .chunked = true});

  EXPECT_EQ(text(client_.send(get(), {})), body);
}

struct Breakage {
  std::string name;
  HttpFault fault;
  std::string says;

  friend std::ostream& operator<<(std::ostream& out, const Breakage& b) { return out << b.name; }
};

class ClientFault : public testing::TestWithParam<Breakage> {};

TEST_P(ClientFault, IsAnAnswerThatDidNotCome) {
  const std::string body(3U << 20U, 'x');
  HttpServer server(
      {{.body = std::string(100'000, 'y'), .fault = GetParam().fault, .fault_after = 1000}, {}});
  Client client(impatient());
  Request request;
  request.method = "PUT";
  request.url = server.url() + "/?secret";
  request.body = as_bytes(body);

  const Error error = failure_of([&] { (void)client.send(request, {}); });

  EXPECT_EQ(error.kind(), ErrorKind::unavailable);
  EXPECT_EQ(error.side(), Side::repository);
  EXPECT_THAT(error.what(), HasSubstr(fmt::format("127.0.0.1:{} ", server.port())));
  EXPECT_THAT(error.what(), HasSubstr(GetParam().says));
  EXPECT_THAT(error.what(), Not(HasSubstr("secret")));
  EXPECT_EQ(server.requests().size(), 1);
  EXPECT_EQ(client.send(request, {}).status, 200) << "the next request is not affected";
}

INSTANTIATE_TEST_SUITE_P(
    Faults, ClientFault,
    testing::Values(Breakage{"reset_before_body", HttpFault::reset_before_body, "broke"},
                    Breakage{"reset_in_body", HttpFault::reset_in_body, "broke"},
                    Breakage{"reset_after_body", HttpFault::reset_after_body, "broke"},
                    Breakage{"close_after_body", HttpFault::close_after_body, "without an answer"},
                    Breakage{"cut", HttpFault::cut, "cut its answer short after 1000 bytes"},
                    Breakage{"reset_in_answer", HttpFault::reset_in_answer, "broke"},
                    Breakage{"garbage", HttpFault::garbage, "no HTTP"},
                    Breakage{"no_reading", HttpFault::no_reading, "hangs: "},
                    Breakage{"silence", HttpFault::silence, "hangs: nothing moved for 200 ms"},
                    Breakage{"stall", HttpFault::stall, "hangs: nothing moved for 200 ms"},
                    Breakage{"drip", HttpFault::drip, "hangs: next to nothing moved for 200 ms"}),
    [](const auto& fault) { return fault.param.name; });

TEST_F(ClientTest, NoticesALengthThatIsNotKept) {
  server_.add({.body = "0123456789", .content_length = 20, .close = true});

  EXPECT_THAT(failure_of([&] { (void)client_.send(get(), {}); }).what(),
              HasSubstr("cut its answer short after 10 bytes"));
}

/// The server hangs up when the second request comes, as if the connection had died while idle.
TEST_F(ClientTest, SendsNothingButQuestionsTwice) {
  for (const char* method : {"PUT", "POST", "DELETE"}) {
    HttpServer server({{}, {.fault = HttpFault::close_after_body}, {}});
    Client client(ClientOptions{});
    Request request;
    request.url = server.url();
    (void)client.send(request, {});

    request.method = method;
    EXPECT_EQ(failure_of([&] { (void)client.send(request, {}); }).kind(), ErrorKind::unavailable);

    EXPECT_EQ(server.requests().size(), 2) << method;
  }
}

TEST_F(ClientTest, WaitsForAnAnswerAsLongAsTheRequestSays) {
  Client client(impatient());
  server_.add({.body = std::string(20, 'x'), .fault = HttpFault::drip});
  Request request = get();
  request.stall_timeout = 20s;

  EXPECT_EQ(client.send(request, {}).received, 20);
}

TEST_F(ClientTest, LimitsTheWholeOfARequest) {
  ClientOptions options;
  options.total_timeout = 100ms;
  Client client(options);
  server_.add({.fault = HttpFault::silence});

  EXPECT_THAT(failure_of([&] { (void)client.send(get(), {}); }).what(),
              HasSubstr("did not answer within 100 ms"));
}

TEST_F(ClientTest, SaysThatNobodyListens) {
  const std::uint16_t port = closed_port();
  Request request;
  request.url = fmt::format("http://user:secret@127.0.0.1:{}/?secret", port);

  const Error error = failure_of([&] { (void)client_.send(request, {}); });

  EXPECT_EQ(error.kind(), ErrorKind::unavailable);
  EXPECT_STREQ(error.what(),
               fmt::format("127.0.0.1:{} can't be connected to: Connection refused", port).c_str());
}

TEST_F(ClientTest, SaysThatANameIsUnknown) {
  Request request;
  request.url = "http://no-such-host.invalid/";

  const Error error = failure_of([&] { (void)client_.send(request, {}); });

  EXPECT_EQ(error.kind(), ErrorKind::unavailable);
  EXPECT_THAT(error.what(), HasSubstr("no-such-host.invalid is a name that can't be resolved"));
}

TEST_F(ClientTest, RefusesWhatIsNoUrl) {
  for (const char* url :
       {"", "127.0.0.1", "ftp://127.0.0.1/", "file:///etc/passwd", "http://", "http://a b/"}) {
    Request request;
    request.url = url;
    EXPECT_EQ(failure_of([&] { (void)client_.send(request, {}); }).kind(), ErrorKind::config)
        << url;
  }
}

TEST_F(ClientTest, EndsAtOnceWhenItIsStopped) {
  std::stop_source stop;
  server_.add({.fault = HttpFault::silence});
  std::jthread stopper([&] {
    server_.wait_for_requests(1);
    stop.request_stop();
  });

  const auto began = std::chrono::steady_clock::now();
  EXPECT_EQ(failure_of([&] { (void)client_.send(get(), stop.get_token()); }).kind(),
            ErrorKind::cancelled);
  EXPECT_LT(std::chrono::steady_clock::now() - began, 5s) << "the stall timeout is 10 s";

  EXPECT_EQ(failure_of([&] { (void)client_.send(get(), stop.get_token()); }).kind(),
            ErrorKind::cancelled);
  EXPECT_EQ(server_.requests().size(), 1);
}

TEST_F(ClientTest, HoldsARateWithoutTakingItForAHang) {
  const std::string body(300'000, 'x');
  flow::RateLimit limit(400'000);
  ClientOptions options = impatient();
  options.upload_limit = &limit;
  options.download_limit = &limit;
  Client client(options);
  server_.add({.body = body});

  const Response response = client.send(with_body("PUT", body), {});

  EXPECT_EQ(text(response), body);
  // 600 kB at 400 kB/s, of which the first 300 ms are free, and what is taken last.
  EXPECT_GT(response.duration, 1000ms);
}

TEST_F(ClientTest, IsStoppedWhileARateHoldsItBack) {
  const std::string body(300'000, 'x');
  flow::RateLimit limit(1);
  ClientOptions options;
  options.upload_limit = &limit;
  Client client(options);
  server_.add({});
  std::stop_source stop;
  std::jthread stopper([&] {
    server_.wait_for_requests(1);
    stop.request_stop();
  });

  EXPECT_EQ(failure_of([&] { (void)client.send(with_body("PUT", body), stop.get_token()); }).kind(),
            ErrorKind::cancelled);
}

TEST_F(ClientTest, ServesManyThreadsAtOnce) {
  HttpServer echo([](const HttpRequest& request) { return HttpAnswer{.body = request.body}; });
  flow::Group threads{std::stop_token{}};
  for (int thread = 0; thread < 8; ++thread) {
    threads.spawn("sender", [&, thread](std::stop_token stop) {
      for (int round = 0; round < 20; ++round) {
        const std::string body = fmt::format("{} {}", thread, round);
        Request request;
        request.method = "POST";
        request.url = echo.url();
        request.body = as_bytes(body);
        EXPECT_EQ(text(client_.send(request, stop)), body);
      }
    });
  }
  threads.wait();

  EXPECT_LE(echo.connections(), 8);
}

/// Sets variables of the environment for one test.
class Environment {
 public:
  Environment(const std::string& name, const std::string& value) : name_(name) {
    ::setenv(name.c_str(), value.c_str(), 1);
  }
  ~Environment() { ::unsetenv(name_.c_str()); }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

 private:
  const std::string name_;
};

TEST_F(ClientTest, GoesThroughTheProxyOfTheEnvironment) {
  const Environment proxy("http_proxy", server_.url());
  server_.add({.body = "by proxy"});
  Request request;
  request.url = "http://store.example:9000/object?list-type=2";

  EXPECT_EQ(text(client_.send(request, {})), "by proxy");

  EXPECT_EQ(server_.last_request().target, "http://store.example:9000/object?list-type=2");
}

TEST_F(ClientTest, SparesTheProxyWhereTheEnvironmentSaysSo) {
  const Environment proxy("http_proxy", fmt::format("http://127.0.0.1:{}", closed_port()));
  const Environment none("no_proxy", "127.0.0.1");
  server_.add({.body = "direct"});

  EXPECT_EQ(text(client_.send(get(), {})), "direct");
}

TEST_F(ClientTest, CanDoWithoutTheProxy) {
  const Environment proxy("http_proxy", fmt::format("http://127.0.0.1:{}", closed_port()));
  ClientOptions options;
  options.use_proxy = false;
  Client client(options);
  server_.add({.body = "direct"});

  EXPECT_EQ(text(client.send(get(), {})), "direct");
}

/// `openssl s_server`, which answers any GET with a page about the connection.
class TlsServer {
 public:
  TlsServer(const std::filesystem::path& cert, const std::filesystem::path& key)
      : port_(closed_port()),
        process_({.command = {"openssl", "s_server", "-quiet", "-www", "-accept",
                              fmt::format("127.0.0.1:{}", port_), "-cert", cert, "-key", key},
                  .out_file = folder_ / "out",
                  .err_file = folder_ / "err"}) {
    const auto deadline = std::chrono::steady_clock::now() + 20s;
    while (!listens() && std::chrono::steady_clock::now() < deadline) {
      std::this_thread::sleep_for(5ms);
    }
  }

  Request get() const {
    Request request;
    request.url = fmt::format("https://localhost:{}/", port_);
    return request;
  }

 private:
  bool listens() const {
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = ::htons(port_);
    address.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
    const int result = ::connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof address);
    ::close(socket);
    return result == 0;
  }

  test::TempDir folder_;
  const std::uint16_t port_;
  test::Process process_;
};

class TlsClient : public testing::Test {
 protected:
  static Client trusting(const std::filesystem::path& ca_file) {
    ClientOptions options;
    options.ca_file = ca_file;
    return Client(options);
  }

  test::TlsFiles files_;
};

TEST_F(TlsClient, TrustsTheAuthorityThatItIsGiven) {
  const TlsServer server(files_.server_cert(), files_.server_key());
  Client client = trusting(files_.ca_cert());

  EXPECT_EQ(client.send(server.get(), {}).status, 200);
  EXPECT_EQ(client.send(server.get(), {}).status, 200);
}

TEST_F(TlsClient, TrustsNobodyElse) {
  const TlsServer stranger(files_.stranger_cert(), files_.stranger_key());
  const TlsServer server(files_.server_cert(), files_.server_key());
  const TlsServer expired(files_.expired_cert(), files_.expired_key());

  for (const Error& error :
       {failure_of([&] { (void)trusting(files_.ca_cert()).send(stranger.get(), {}); }),
        failure_of([&] { (void)trusting("").send(server.get(), {}); }),
        failure_of([&] { (void)trusting(files_.ca_cert()).send(expired.get(), {}); })}) {
    EXPECT_EQ(error.kind(), ErrorKind::denied) << error.what();
    EXPECT_THAT(error.what(), AllOf(HasSubstr("localhost"), HasSubstr("is not trusted: "),
                                    HasSubstr("set ca_file")));
  }
}

TEST_F(TlsClient, SaysThatTheAuthorityFileCannotBeUsed) {
  const TlsServer server(files_.server_cert(), files_.server_key());
  std::ofstream(files_ / "garbage.crt") << "no certificate";

  for (const char* name : {"no-such.crt", "garbage.crt"}) {
    const Error error = failure_of([&] { (void)trusting(files_ / name).send(server.get(), {}); });
    EXPECT_EQ(error.kind(), ErrorKind::config) << error.what();
    EXPECT_THAT(error.what(), HasSubstr(name));
  }
}

TEST_F(TlsClient, SaysThatThereIsNoTls) {
  HttpServer plain;
  ClientOptions options;
  options.connect_timeout = 100ms;
  Client client(options);
  Request request;
  request.url = fmt::format("https://127.0.0.1:{}/", plain.port());

  const Error error = failure_of([&] { (void)client.send(request, {}); });

  EXPECT_EQ(error.kind(), ErrorKind::unavailable);
  EXPECT_THAT(error.what(), HasSubstr("can't be connected to within 100 ms"));
}

}  // namespace
}  // namespace keyrewind::http
