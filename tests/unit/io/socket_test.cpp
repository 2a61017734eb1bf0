#include "io/socket.h"

#include "base/error.h"
#include "support/fake_server.h"
#include "support/process.h"
#include "support/temp_dir.h"
#include "support/tls_files.h"

#include <gmock/gmock.h>

#include <chrono>
#include <fstream>
#include <stdexcept>
#include <thread>

namespace keyrewind::io {
namespace {

using namespace std::chrono_literals;
using test::FakeServer;
using testing::HasSubstr;

constexpr auto kLong = 20s;
constexpr auto kShort = 50ms;

std::unique_ptr<Socket> connect_to(const FakeServer& server) {
  return server.port() == 0 ? connect_unix(server.socket_path(), kLong, {})
                            : connect_tcp("127.0.0.1", server.port(), kLong, {});
}

std::string read_to_the_end(Socket& socket) {
  std::string all;
  Bytes piece(100'000);
  while (const std::size_t got = socket.read_some(piece, kLong, {})) {
    all += as_text(ByteView(piece).first(got));
  }
  return all;
}

template <typename Work>
Error error_of(Work work) {
  try {
    work();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "nothing was thrown";
  return {ErrorKind::internal, "nothing was thrown"};
}

class SocketOver : public testing::TestWithParam<FakeServer::Transport> {};

TEST_P(SocketOver, CarriesBytesBothWaysUntilThePeerCloses) {
  FakeServer server({test::expect("PING"), test::send("+PONG\r\n")}, GetParam());
  const auto socket = connect_to(server);

  socket->write_all(as_bytes("*1\r\n$4\r\nPING\r\n"), kLong, {});

  EXPECT_EQ(read_to_the_end(*socket), "+PONG\r\n");
  EXPECT_EQ(server.finish(), "");
}

TEST_P(SocketOver, LosesNothingWhenItPrefersThroughput) {
  std::string text;
  for (int i = 0; i < 300'000; ++i) {
    text += std::to_string(i);
  }
  FakeServer server({test::send(text), test::send("a small rest")}, GetParam());
  const auto socket = connect_to(server);
  socket->prefer_throughput();

  EXPECT_EQ(read_to_the_end(*socket), text + "a small rest");
}

TEST_P(SocketOver, DoesNotWaitForMoreThanComesWhenItPrefersThroughput) {
  FakeServer server({test::send("few"), test::stay_silent()}, GetParam());
  const auto socket = connect_to(server);
  socket->prefer_throughput();
  Bytes into(1 << 20);

  const std::size_t got = socket->read_some(into, kLong, {});

  EXPECT_EQ(as_text(ByteView(into).first(got)), "few");
}

TEST_P(SocketOver, SaysWhenThePeerIsSilent) {
  FakeServer server({test::stay_silent()}, GetParam());
  const auto socket = connect_to(server);
  Bytes into(100);

  const Error error = error_of([&] { socket->read_some(into, kShort, {}); });

  EXPECT_EQ(error.kind(), ErrorKind::unavailable);
  EXPECT_EQ(error.side(), Side::source);
  EXPECT_THAT(error.what(), HasSubstr("sent nothing for"));
}

TEST_P(SocketOver, SaysWhenThePeerTakesNothing) {
  const std::string much(std::size_t{64} << 20, 'x');
  FakeServer server({test::send(much)}, GetParam());  // Stuck as well: nobody reads it.
  const auto socket = connect_to(server);

  const Error error = error_of([&] { socket->write_all(as_bytes(much), kShort, {}); });

  EXPECT_EQ(error.kind(), ErrorKind::unavailable);
  EXPECT_THAT(error.what(), HasSubstr("took nothing for"));
}

TEST_P(SocketOver, SaysWhenThePeerHasHungUp) {
  FakeServer server({}, GetParam());
  const auto socket = connect_to(server);
  server.finish();
  EXPECT_EQ(read_to_the_end(*socket), "");
  const Bytes much(std::size_t{64} << 20);

  const Error error = error_of([&] { socket->write_all(much, kLong, {}); });

  EXPECT_EQ(error.kind(), ErrorKind::unavailable);
  EXPECT_THAT(error.what(), HasSubstr("write to "));
}

TEST_P(SocketOver, StopsWaitingWhenAskedTo) {
  FakeServer server({test::stay_silent()}, GetParam());
  const auto socket = connect_to(server);
  std::stop_source stop;
  Bytes into(100);
  const std::jthread stopper([&] { stop.request_stop(); });

  const Error error = error_of([&] { socket->read_some(into, kLong, stop.get_token()); });

  EXPECT_EQ(error.kind(), ErrorKind::cancelled);
}

TEST_P(SocketOver, CanBeUsedOnWithAnotherTokenAfterAStop) {
  FakeServer server({test::expect("PING"), test::send("+PONG\r\n")}, GetParam());
  const auto socket = connect_to(server);
  std::stop_source stop;
  Bytes into(100);
  {
    const std::jthread stopper([&] { stop.request_stop(); });
    EXPECT_THROW(socket->read_some(into, kLong, stop.get_token()), Error);
  }

  socket->write_all(as_bytes("*1\r\n$4\r\nPING\r\n"), kLong, {});

  EXPECT_EQ(read_to_the_end(*socket), "+PONG\r\n");
}

TEST_P(SocketOver, ReadsOnlyWhatHasArrived) {
  FakeServer server({test::expect("PING"), test::send("+PONG\r\n")}, GetParam());
  const auto socket = connect_to(server);
  Bytes into(100);
  EXPECT_EQ(socket->read_arrived(into), std::nullopt);
  EXPECT_FALSE(socket->wait_for_more(1ms, {}));

  socket->write_all(as_bytes("*1\r\n$4\r\nPING\r\n"), kLong, {});

  ASSERT_TRUE(socket->wait_for_more(kLong, {}));
  EXPECT_EQ(socket->read_arrived(into), 7U);
  EXPECT_EQ(as_text(ByteView(into).first(7)), "+PONG\r\n");
  ASSERT_TRUE(socket->wait_for_more(kLong, {}));
  EXPECT_EQ(socket->read_arrived(into), 0U);
}

TEST_P(SocketOver, IsWokenFromItsWait) {
  FakeServer server({test::stay_silent()}, GetParam());
  const auto socket = connect_to(server);
  const std::jthread other([&] { socket->wake(); });
  EXPECT_FALSE(socket->wait_for_more(1h, {}));
}

TEST_P(SocketOver, IsWokenOnceByAnyNumberOfCallsBefore) {
  FakeServer server({test::stay_silent()}, GetParam());
  const auto socket = connect_to(server);
  socket->wake();
  socket->wake();
  EXPECT_FALSE(socket->wait_for_more(1h, {}));

  std::stop_source stop;
  const std::jthread other([&] { stop.request_stop(); });
  const Error error = error_of([&] { socket->wait_for_more(1h, stop.get_token()); });
  EXPECT_EQ(error.kind(), ErrorKind::cancelled);
}

TEST_P(SocketOver, IsNotWokenFromAReadOrWrite) {
  FakeServer server({test::expect("PING"), test::send("+PONG\r\n")}, GetParam());
  const auto socket = connect_to(server);
  socket->wake();

  socket->write_all(as_bytes("*1\r\n$4\r\nPING\r\n"), kLong, {});

  EXPECT_EQ(read_to_the_end(*socket), "+PONG\r\n");
}

INSTANTIATE_TEST_SUITE_P(Transports, SocketOver,
                         testing::Values(FakeServer::Transport::unix, FakeServer::Transport::tcp),
                         [](const auto& transport) {
                           return transport.param == FakeServer::Transport::unix ? "Unix" : "Tcp";
                         });

std::uint16_t port_where_nobody_listens() {
  return FakeServer({}, FakeServer::Transport::tcp).port();
}

TEST(ConnectTcp, SaysThatNobodyListens) {
  const std::uint16_t port = port_where_nobody_listens();
  const Error error = error_of([&] { connect_tcp("127.0.0.1", port, kLong, {}); });
  EXPECT_EQ(error.kind(), ErrorKind::unavailable);
  EXPECT_EQ(error.what(), "connect to 127.0.0.1:" + std::to_string(port) + ": Connection refused");
}

TEST(ConnectTcp, TriesEveryAddressOfAName) {
  // "localhost" may resolve to ::1 first, where the server does not listen.
  FakeServer server({test::send("hello")}, FakeServer::Transport::tcp);
  const auto socket = connect_tcp("localhost", server.port(), kLong, {});
  EXPECT_EQ(read_to_the_end(*socket), "hello");
}

TEST(ConnectTcp, SaysThatANameIsUnknown) {
  const Error error = error_of([] { connect_tcp("no-such-host.invalid", 6379, kLong, {}); });
  EXPECT_EQ(error.kind(), ErrorKind::unavailable);
  EXPECT_THAT(error.what(), HasSubstr("look up no-such-host.invalid: "));
}

TEST(ConnectTcp, DoesNothingOnceStopped) {
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(error_of([&] { connect_tcp("127.0.0.1", 6379, kLong, stop.get_token()); }).kind(),
            ErrorKind::cancelled);
}

TEST(ConnectUnix, SaysThatThereIsNoSocket) {
  const test::TempDir folder;
  const Error error = error_of([&] { connect_unix(folder / "none", kLong, {}); });
  EXPECT_EQ(error.kind(), ErrorKind::unavailable);
  EXPECT_THAT(error.what(), HasSubstr("No such file or directory"));
}

TEST(ConnectUnix, RefusesAPathThatIsTooLong) {
  const Error error = error_of([] { connect_unix("/" + std::string(107, 'x'), kLong, {}); });
  EXPECT_EQ(error.kind(), ErrorKind::config);
  EXPECT_THAT(error.what(), HasSubstr("at most 107 bytes"));
}

/// `openssl s_server` on a free port, which sends every line back reversed.
class TlsServer {
 public:
  explicit TlsServer(std::vector<std::string> more_arguments)
      : process_(test::ProcessOptions{.command = command(std::move(more_arguments))}) {
    const auto deadline = std::chrono::steady_clock::now() + kLong;
    constexpr std::string_view kMark = "ACCEPT 127.0.0.1:";
    while (std::chrono::steady_clock::now() < deadline && process_.running()) {
      const std::string out = process_.out();
      const std::size_t at = out.find(kMark);
      if (at != std::string::npos && out.find('\n', at) != std::string::npos) {
        port_ = static_cast<std::uint16_t>(std::stoi(out.substr(at + kMark.size())));
        return;
      }
      std::this_thread::sleep_for(1ms);
    }
    throw std::runtime_error("openssl s_server did not start: " + process_.err());
  }

  std::uint16_t port() const { return port_; }

 private:
  static std::vector<std::string> command(std::vector<std::string> more) {
    std::vector<std::string> all = {"openssl", "s_server", "-accept", "127.0.0.1:0", "-rev"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }

  test::Process process_;
  std::uint16_t port_ = 0;
};

class TlsSocket : public testing::Test {
 protected:
  static void SetUpTestSuite() { files_ = std::make_unique<test::TlsFiles>(); }
  static void TearDownTestSuite() { files_.reset(); }

  static const test::TlsFiles& files() { return *files_; }

  static TlsServer serve(const std::filesystem::path& cert, const std::filesystem::path& key,
                         std::vector<std::string> more = {}) {
    more.insert(more.end(), {"-cert", cert.string(), "-key", key.string()});
    return TlsServer(std::move(more));
  }
  static TlsServer serve(std::vector<std::string> more = {}) {
    return serve(files().server_cert(), files().server_key(), std::move(more));
  }
  static TlsServer serve_known_clients(std::vector<std::string> more = {}) {
    more.insert(more.end(),
                {"-Verify", "1", "-verify_return_error", "-CAfile", files().ca_cert().string()});
    return serve(std::move(more));
  }

  static TlsOptions trusting() {
    return {.ca_file = files().ca_cert(), .cert_file = {}, .key_file = {}, .server_name = {}};
  }
  static TlsOptions with_client_certificate() {
    TlsOptions options = trusting();
    options.cert_file = files().client_cert();
    options.key_file = files().client_key();
    return options;
  }

  static std::unique_ptr<Socket> connect(const TlsServer& server, const TlsOptions& options,
                                         const std::string& host = "127.0.0.1") {
    return connect_tls(host, server.port(), options, kLong, {});
  }

  /// Sends a line and returns what comes back.
  static std::string talk(Socket& socket, const std::string& line) {
    socket.write_all(as_bytes(line + "\n"), kLong, {});
    std::string back;
    Bytes piece(1000);
    while (!back.ends_with('\n')) {
      const std::size_t got = socket.read_some(piece, kLong, {});
      if (got == 0) {
        break;
      }
      back += as_text(ByteView(piece).first(got));
    }
    return back;
  }

  static Error refusal(const TlsServer& server, const TlsOptions& options,
                       const std::string& host = "127.0.0.1") {
    return error_of([&] { talk(*connect(server, options, host), "hello"); });
  }

 private:
  inline static std::unique_ptr<test::TlsFiles> files_;
};

TEST_F(TlsSocket, CarriesBytesBothWays) {
  const TlsServer server = serve();
  const auto socket = connect(server, trusting());
  EXPECT_EQ(talk(*socket, "hello"), "olleh\n");
  socket->prefer_throughput();
  EXPECT_EQ(talk(*socket, "again"), "niaga\n");
}

TEST_F(TlsSocket, ReadsOnlyWhatHasArrived) {
  const TlsServer server = serve();
  const auto socket = connect(server, trusting());
  Bytes into(100);
  // The server's session tickets come as records without data for us.
  while (socket->read_arrived(into) || socket->wait_for_more(1ms, {})) {
  }

  socket->write_all(as_bytes("hello\n"), kLong, {});
  std::string back;
  while (!back.ends_with('\n')) {
    const auto got = socket->read_arrived(into);
    ASSERT_TRUE(got || socket->wait_for_more(kLong, {}));
    back += as_text(ByteView(into).first(got.value_or(0)));
  }

  EXPECT_EQ(back, "olleh\n");
}

TEST_F(TlsSocket, IsWokenFromItsWait) {
  const TlsServer server = serve();
  const auto socket = connect(server, trusting());
  Bytes into(100);
  while (socket->read_arrived(into) || socket->wait_for_more(1ms, {})) {
  }
  const std::jthread other([&] { socket->wake(); });
  EXPECT_FALSE(socket->wait_for_more(1h, {}));
}

TEST_F(TlsSocket, CarriesMoreThanOneRecord) {
  const TlsServer server = serve();
  const auto socket = connect(server, trusting());
  // s_server reverses what it reads at once, so the order is not ours; the number of bytes is.
  EXPECT_EQ(talk(*socket, std::string(10'000, 'x')), std::string(10'000, 'x') + "\n");
}

TEST_F(TlsSocket, VerifiesTheHostNameAndTheAddress) {
  const TlsServer server = serve();
  EXPECT_EQ(talk(*connect(server, trusting(), "localhost"), "hello"), "olleh\n");
}

TEST_F(TlsSocket, VerifiesTheServerNameInsteadOfTheHost) {
  const TlsServer server = serve();
  TlsOptions options = trusting();
  options.server_name = "node.example";
  EXPECT_EQ(talk(*connect(server, options), "hello"), "olleh\n");
}

TEST_F(TlsSocket, RefusesACertificateForAnotherName) {
  const TlsServer server = serve();
  TlsOptions options = trusting();
  options.server_name = "other.example";
  const Error error = refusal(server, options);
  EXPECT_EQ(error.kind(), ErrorKind::denied);
  EXPECT_EQ(error.side(), Side::source);
  EXPECT_THAT(error.what(), HasSubstr("is not for \"other.example\"; set source.tls.server_name"));

  options.server_name = "127.0.0.2";
  EXPECT_THAT(refusal(server, options).what(), HasSubstr("is not for \"127.0.0.2\""));
}

TEST_F(TlsSocket, RefusesACertificateOfAnUnknownAuthority) {
  const TlsServer server = serve(files().stranger_cert(), files().stranger_key());
  const Error error = refusal(server, trusting());
  EXPECT_EQ(error.kind(), ErrorKind::denied);
  EXPECT_EQ(error.what(), "certificate of 127.0.0.1:" + std::to_string(server.port()) +
                              " is not trusted: unable to get local issuer certificate; set "
                              "source.tls.ca_file");
}

TEST_F(TlsSocket, TrustsNoTestAuthorityByDefault) {
  const TlsServer server = serve();
  EXPECT_THAT(refusal(server, {}).what(), HasSubstr("is not trusted"));
}

TEST_F(TlsSocket, RefusesAnExpiredCertificate) {
  const TlsServer server = serve(files().expired_cert(), files().expired_key());
  const Error error = refusal(server, trusting());
  EXPECT_EQ(error.kind(), ErrorKind::denied);
  EXPECT_THAT(error.what(), HasSubstr("certificate has expired"));
}

TEST_F(TlsSocket, ShowsItsCertificateToAServerThatAsks) {
  for (const char* version : {"-tls1_2", "-tls1_3"}) {
    const TlsServer server = serve_known_clients({version});
    EXPECT_EQ(talk(*connect(server, with_client_certificate()), "hello"), "olleh\n") << version;
  }
}

TEST_F(TlsSocket, SaysThatTheServerWantsACertificate) {
  for (const char* version : {"-tls1_2", "-tls1_3"}) {
    const TlsServer server = serve_known_clients({version});
    const Error error = refusal(server, trusting());
    EXPECT_EQ(error.kind(), ErrorKind::denied) << version;
    EXPECT_THAT(error.what(), HasSubstr("wants a client certificate; set source.tls.cert_file"))
        << version;
  }
}

TEST_F(TlsSocket, SaysThatTheServerRefusesItsCertificate) {
  for (const char* version : {"-tls1_2", "-tls1_3"}) {
    const TlsServer server = serve_known_clients({version});
    TlsOptions options = trusting();
    options.cert_file = files().stranger_cert();
    options.key_file = files().stranger_key();
    const Error error = refusal(server, options);
    EXPECT_EQ(error.kind(), ErrorKind::denied) << version;
    EXPECT_THAT(error.what(), HasSubstr("refused our certificate")) << version;
  }
}

TEST_F(TlsSocket, NeedsTls12) {
  const TlsServer server = serve({"-tls1_1", "-cipher", "DEFAULT:@SECLEVEL=0"});
  EXPECT_THROW(connect(server, trusting()), Error);
}

TEST_F(TlsSocket, SaysThatThePeerSpeaksPlainText) {
  FakeServer server({test::send("-ERR unknown command\r\n"), test::stay_silent()},
                    FakeServer::Transport::tcp);
  const Error error =
      error_of([&] { connect_tls("127.0.0.1", server.port(), trusting(), kLong, {}); });
  EXPECT_EQ(error.kind(), ErrorKind::protocol);
  EXPECT_THAT(error.what(), HasSubstr("does not speak TLS; for plain text write valkey://"));
}

TEST_F(TlsSocket, DoesNotWaitForEverForAHandshake) {
  FakeServer server({test::stay_silent()}, FakeServer::Transport::tcp);
  const Error error =
      error_of([&] { connect_tls("127.0.0.1", server.port(), trusting(), kShort, {}); });
  EXPECT_EQ(error.kind(), ErrorKind::unavailable);
  EXPECT_THAT(error.what(), HasSubstr("did not finish the TLS handshake"));
}

TEST_F(TlsSocket, SaysThatThePeerClosedInsteadOfAHandshake) {
  FakeServer server({}, FakeServer::Transport::tcp);
  const Error error =
      error_of([&] { connect_tls("127.0.0.1", server.port(), trusting(), kLong, {}); });
  EXPECT_EQ(error.kind(), ErrorKind::unavailable);
}

TEST_F(TlsSocket, StopsWaitingWhenAskedTo) {
  const TlsServer server = serve();
  const auto socket = connect(server, trusting());
  std::stop_source stop;
  Bytes into(100);
  const std::jthread stopper([&] { stop.request_stop(); });
  EXPECT_EQ(error_of([&] { socket->read_some(into, kLong, stop.get_token()); }).kind(),
            ErrorKind::cancelled);
}

TEST_F(TlsSocket, SaysWhenThePeerIsSilent) {
  const TlsServer server = serve();
  const auto socket = connect(server, trusting());
  Bytes into(100);
  EXPECT_THAT(error_of([&] { socket->read_some(into, kShort, {}); }).what(),
              HasSubstr("sent nothing for"));
}

TEST_F(TlsSocket, NamesTheFileThatCannotBeUsed) {
  const TlsServer server = serve();
  std::ofstream(files() / "garbage.pem") << "not a certificate\n";
  const auto what_if = [&](auto change) {
    TlsOptions options = with_client_certificate();
    change(options);
    const Error error = refusal(server, options);
    EXPECT_EQ(error.kind(), ErrorKind::config);
    return std::string(error.what());
  };

  EXPECT_THAT(what_if([](TlsOptions& tls) { tls.ca_file = "/nowhere/ca.crt"; }),
              HasSubstr("source.tls.ca_file: open /nowhere/ca.crt: No such file"));
  EXPECT_THAT(what_if([](TlsOptions& tls) { tls.ca_file = files() / "garbage.pem"; }),
              HasSubstr("garbage.pem: holds no PEM certificate"));
  EXPECT_THAT(what_if([](TlsOptions& tls) { tls.cert_file = "/nowhere/client.crt"; }),
              HasSubstr("source.tls.cert_file: open /nowhere/client.crt: No such file"));
  EXPECT_THAT(what_if([](TlsOptions& tls) { tls.cert_file = files() / "garbage.pem"; }),
              HasSubstr("source.tls.cert_file: "));
  EXPECT_THAT(what_if([](TlsOptions& tls) { tls.key_file = "/nowhere/client.key"; }),
              HasSubstr("source.tls.key_file: open /nowhere/client.key: No such file"));
  EXPECT_THAT(what_if([](TlsOptions& tls) { tls.key_file = files() / "garbage.pem"; }),
              HasSubstr("holds no PEM private key"));
  EXPECT_THAT(what_if([](TlsOptions& tls) { tls.key_file = files().locked_key(); }),
              HasSubstr("holds no PEM private key without a password"));
  EXPECT_THAT(what_if([](TlsOptions& tls) { tls.key_file = files().server_key(); }),
              HasSubstr("is not the key of source.tls.cert_file"));
  EXPECT_THAT(what_if([](TlsOptions& tls) { tls.key_file.clear(); }), HasSubstr("go together"));
}

}  // namespace
}  // namespace keyrewind::io
