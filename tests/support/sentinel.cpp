#include "support/sentinel.h"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <stdexcept>
#include <thread>

namespace keyrewind::test {

namespace {

using namespace std::chrono_literals;

constexpr auto kReadyLimit = 20s;
constexpr auto kPollEvery = 5ms;

/// The value behind `key` in an array of pairs.
std::string value_of(const Reply& pairs, const std::string& key) {
  for (std::size_t i = 0; i + 1 < pairs.elements.size(); i += 2) {
    if (pairs.elements[i].text == key) {
      return pairs.elements[i + 1].text;
    }
  }
  return {};
}

}  // namespace

Sentinel::Sentinel(const std::string& program, const std::string& name, std::uint16_t primary_port)
    : name_(name) {
  start(program, primary_port);
}

Reply Sentinel::call(const std::vector<std::string>& command) {
  return RespClient::connect_tcp(port_).call(command);
}

std::vector<std::string> Sentinel::replicas() {
  std::vector<std::string> found;
  for (const Reply& replica : call({"SENTINEL", "REPLICAS", name_}).elements) {
    found.push_back(value_of(replica, "ip") + ":" + value_of(replica, "port"));
  }
  return found;
}

std::uint16_t Sentinel::primary_port() {
  const Reply reply = call({"SENTINEL", "GET-MASTER-ADDR-BY-NAME", name_});
  return static_cast<std::uint16_t>(std::stoi(reply.elements.at(1).text));
}

void Sentinel::start(const std::string& program, std::uint16_t primary_port) {
  const auto server = find_server(program);
  if (!server) {
    throw std::runtime_error(program + " is not on this machine");
  }
  port_ = free_port();
  std::ofstream(folder_ / "conf") << "port " << port_ << "\nbind 127.0.0.1\ndir "
                                  << folder_.path().string() << "\nsentinel monitor " << name_
                                  << " 127.0.0.1 " << primary_port
                                  << " 1\nsentinel down-after-milliseconds " << name_
                                  << " 500\nsentinel failover-timeout " << name_ << " 5000\n";
  process_.emplace(
      ProcessOptions{.command = {server->string(), (folder_ / "conf").string(), "--sentinel"}});
  const auto deadline = std::chrono::steady_clock::now() + kReadyLimit;
  while (!answers()) {
    if (!process_->running() || std::chrono::steady_clock::now() > deadline) {
      throw std::runtime_error("the Sentinel does not answer:\n" + process_->out() +
                               process_->err());
    }
    std::this_thread::sleep_for(kPollEvery);
  }
}

bool Sentinel::answers() {
  try {
    return call({"PING"}).text == "PONG";
  } catch (const std::runtime_error&) {
    return false;
  }
}

}  // namespace keyrewind::test
