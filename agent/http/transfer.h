#pragma once

#include "base/error.h"
#include "http/client.h"
#include "http/stall_watch.h"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>

using CURL = void;
using CURLM = void;
struct curl_slist;

namespace keyrewind::http {

/// One request on its way over one pair of libcurl's handles.
class Transfer {
 public:
  /// `easy` has no options set. All that is given must outlive the transfer.
  Transfer(CURL* easy, CURLM* multi, const Request& request, const ClientOptions& options,
           std::stop_token stop);
  ~Transfer();
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  /// Sends the request and waits for the answer. Called once.
  Response run();

 private:
  struct Callbacks;
  struct ListDeleter {
    void operator()(curl_slist* list) const noexcept;
  };

  void set_connection_options();
  void set_request_options();
  void add_headers();
  void drive();
  void throw_if_late();
  std::int64_t moved() const;
  void finish(int result);
  [[noreturn]] void throw_failure(int result) const;
  [[noreturn]] void fail(ErrorKind kind, std::string_view what) const;
  std::string cut_short() const;

  /// Keeps what `call` throws. Returns whether it threw nothing.
  template <typename Call>
  bool guarded(Call call) noexcept {
    try {
      call();
      return true;
    } catch (...) {
      failure_ = std::current_exception();
      return false;
    }
  }

  std::size_t give(std::byte* into, std::size_t room);
  void take_header(std::string_view line);
  void take_body(ByteView bytes);
  void make_room(std::size_t bytes);
  void hold_back(flow::RateLimit* limit, std::size_t bytes);

  CURL* const easy_;
  CURLM* const multi_;
  const Request& request_;
  const ClientOptions& options_;
  const std::stop_token stop_;
  const std::chrono::steady_clock::time_point began_;
  const std::string host_;  ///< With its port: what messages name.
  StallWatch stall_;
  std::unique_ptr<curl_slist, ListDeleter> headers_;
  std::array<char, 256> detail_{};  ///< What libcurl says of an error.
  std::exception_ptr failure_;      ///< Thrown within a callback.
  Response response_;
  std::size_t given_ = 0;           ///< Bytes of the request's body.
  std::int64_t headers_bytes_ = 0;  ///< Of the answer.
  int sendings_ = 0;
};

}  // namespace keyrewind::http
