#pragma once

#include "replica/connection.h"
#include "support/fake_server.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

/// Scripts for servers that play the part of a source.
namespace keyrewind::replica {

inline SourceOptions options_for(const test::FakeServer& server) {
  SourceOptions options;
  if (server.port() == 0) {
    options.address.transport = Address::Transport::unix;
    options.address.path = server.socket_path();
  } else {
    options.address.host = "127.0.0.1";
    options.address.port = server.port();
  }
  options.connect_timeout = std::chrono::seconds(20);
  options.silence_timeout = std::chrono::seconds(20);
  return options;
}

/// What `work` throws; a test failure if it throws nothing.
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

inline std::string bulk(const std::string& text) {
  return "$" + std::to_string(text.size()) + "\r\n" + text + "\r\n";
}

/// The answer to HELLO 2.
inline std::string greeting_of(const std::string& product, const std::string& version,
                               const std::string& mode = "standalone") {
  return "*14\r\n" + bulk("server") + bulk(product) + bulk("version") + bulk(version) +
         bulk("proto") + ":2\r\n" + bulk("id") + ":3\r\n" + bulk("mode") + bulk(mode) +
         bulk("role") + bulk("master") + bulk("modules") + "*1\r\n*4\r\n" + bulk("name") +
         bulk("bf") + bulk("ver") + ":80207\r\n";
}

/// Everything up to PSYNC as a good Redis 7.0 plays it, then `rest`.
inline std::vector<test::Step> after_psync(std::vector<test::Step> rest) {
  std::vector<test::Step> script = {test::expect("HELLO 2"),
                                    test::send(greeting_of("redis", "7.0.15")),
                                    test::expect("REPLCONF rdb-only 1"),
                                    test::send("+OK\r\n"),
                                    test::expect("REPLCONF listening-port -1"),
                                    test::send("+OK\r\n"),
                                    test::expect("REPLCONF capa eof capa psync2"),
                                    test::send("+OK\r\n"),
                                    test::expect("PSYNC ? -1")};
  script.insert(script.end(), rest.begin(), rest.end());
  return script;
}

}  // namespace keyrewind::replica
