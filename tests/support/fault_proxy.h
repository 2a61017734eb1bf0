#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace keyrewind::test {

/// What goes wrong with one request to an S3 server.
struct S3Fault {
  enum class Kind {
    refused,              ///< An error is answered; the server never hears of the request.
    refused_late,         ///< The server has carried the request out, but an error is answered.
    reset_before_body,    ///< A reset once the head of the request has come.
    reset_in_body,        ///< A reset once half of its body has come.
    reset_after_body,     ///< A reset instead of an answer; the server never hears of the request.
    reset_before_answer,  ///< The same, but the server has carried it out.
    reset_in_answer,      ///< A reset after half of the answer's body.
    truncated_answer,  ///< The connection ends in an orderly way after half of the answer's body.
    error_in_success,  ///< Status 200, but the body is an error; the server never hears of it.
    hang,              ///< Neither an answer nor an end, until whoever asks has had enough.
    hang_in_answer,    ///< The same after half of the answer's body.
    wrong_etag,        ///< The server has carried it out, but another ETag is answered.
    wrong_byte,        ///< One bit of the answer's body is another.
  };

  Kind kind = Kind::refused;
  int status = 500;  ///< Of refusals.
  std::string code = "InternalError";
  std::optional<int> retry_after = {};  ///< Seconds, said in the refusal.

  /// "503 SlowDown", "reset_in_body".
  std::string name() const;
};

/// All that may befall a store that is well again a moment later.
std::vector<S3Fault> passing_faults();

/// To which requests something happens; all that is said must hold.
struct S3FaultRule {
  /// As S3's documentation calls it: "PutObject", "UploadPart"; empty: any.
  std::string operation = {};
  std::string path_part = {};  ///< A part of the path; empty: any.
  std::size_t skip = 0;        ///< So many of these requests go well before.
  std::size_t every = 1;       ///< Then one in so many goes wrong…
  std::size_t times = std::numeric_limits<std::size_t>::max();  ///< …but no more than this.
  double probability = 1;
};

/// A proxy on a port of the loopback, in this process, between whoever uses S3 and a server: what
/// it passes on it does not change, so that signatures hold (the host in them is the proxy's). It
/// takes whole requests and whole answers into memory.
///
/// The same requests in the same order meet the same faults, given the same seed. What a rule says
/// is tried in the order in which the rules were given; the first that strikes counts. A fault that
/// makes no sense for a request (a wrong ETag for a listing) does not strike it.
class FaultProxy {
 public:
  /// `server` is the endpoint behind it: "http://127.0.0.1:PORT".
  explicit FaultProxy(const std::string& server, std::uint64_t seed = 1);
  ~FaultProxy();
  FaultProxy(const FaultProxy&) = delete;
  FaultProxy& operator=(const FaultProxy&) = delete;

  std::string endpoint() const { return "http://127.0.0.1:" + std::to_string(port_); }

  void inject(S3Fault fault, S3FaultRule rule = {});
  /// Each request of the rule meets one of `faults`, drawn anew each time.
  void inject_any(std::vector<S3Fault> faults, S3FaultRule rule = {});
  /// All goes well from now on, but for requests that hang already.
  void clear();

  /// From now on the store's clock is so far ahead of everybody's: its answers say so, and it takes
  /// no signature that is more than a minute away from that.
  void set_clock_ahead(std::chrono::seconds ahead);

  /// How many requests of that operation have come (of all, if empty), and how many of them met a
  /// fault.
  std::size_t requests(std::string_view operation = {}) const;
  std::size_t faults(std::string_view operation = {}) const;

  /// How often each fault struck, by its name.
  std::map<std::string, std::size_t> faults_by_name() const;

  /// All of it, a line for each request, for the message of a test that fails.
  std::string story() const;

 private:
  struct Rule {
    S3FaultRule when;
    std::vector<S3Fault> faults;
    std::size_t met = 0;
    std::size_t struck = 0;
  };
  struct Note {
    std::string operation;
    std::string target;
    std::string fault;
    int status = 0;
  };
  struct Request;
  class Connection;

  void accept_all(const std::stop_token& stop);
  void serve(int socket);
  bool serve_one(Connection& client);
  bool answer(Connection& client, const Request& request, const S3Fault& fault, std::size_t note);
  std::optional<S3Fault> fault_for(const Request& request);
  std::size_t note(const Request& request, const std::optional<S3Fault>& fault);
  std::string ask_server(const Request& request);
  std::optional<std::string> skew_refusal(const Request& request);
  std::string with_date(std::string answer);
  bool keep(int socket);
  void forget(int socket);

  const std::uint16_t server_port_;
  std::uint16_t port_ = 0;
  int listening_ = -1;
  mutable std::mutex mutex_;  ///< Guards what follows.
  std::minstd_rand random_;
  std::list<Rule> rules_;
  std::vector<Note> notes_;
  std::chrono::seconds ahead_{0};
  bool skewed_ = false;
  std::set<int> sockets_;
  bool ending_ = false;
  std::list<std::jthread> threads_;
  std::jthread accepting_;
};

}  // namespace keyrewind::test
