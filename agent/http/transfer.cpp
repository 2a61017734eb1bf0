#include "http/transfer.h"

#include "base/duration.h"
#include "base/error.h"
#include "base/version.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <utility>

namespace keyrewind::http {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

/// What a rate limit lets pass at once, and what libcurl is given at a time.
constexpr std::size_t kPiece = 64U << 10U;

/// From here on a body waits for the server to say that it wants it (100-continue): a refusal then
/// comes as an answer, and not as a reset in the midst of the body. Below, the round trip would
/// cost more than the body.
constexpr std::size_t kAskFirst = 1U << 20U;

/// Servers that do not know 100-continue cost this for each large body.
constexpr long kAskPatience = 250;

constexpr int kPollMilliseconds = 200;

/// A connection that has been idle for longer is not used again: somebody between may have
/// forgotten it.
constexpr long kMaxIdleSeconds = 60;

/// Certificates are read again after so long.
constexpr long kCertificateSeconds = 600;

template <typename Value>
void set(CURL* easy, CURLoption option, Value value) {
  if (curl_easy_setopt(easy, option, value) != CURLE_OK) {
    throw Error(ErrorKind::internal,
                fmt::format("libcurl refuses its option {}", static_cast<int>(option)));
  }
}

template <typename Value>
Value info(CURL* easy, CURLINFO what) {
  Value value{};
  curl_easy_getinfo(easy, what, &value);
  return value;
}

std::string host_of(const std::string& url) {
  const std::size_t scheme = url.find("://");
  if (scheme == std::string::npos) {
    return "";
  }
  std::string host = url.substr(scheme + 3);
  host = host.substr(0, host.find_first_of("/?#"));
  return host.substr(host.find('@') + 1);  // npos + 1 is 0.
}

bool is_http(std::string_view url) {
  return url.starts_with("http://") || url.starts_with("https://");
}

char to_lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) {
    return {};
  }
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

std::string in_words(milliseconds time) {
  return time.count() % 1000 == 0 ? fmt::format("{} s", time.count() / 1000)
                                  : fmt::format("{} ms", time.count());
}

bool has_body(const Request& request) {
  return !request.body.empty() || request.method == "PUT" || request.method == "POST";
}

/// Requests that may go out twice without anybody noticing.
bool only_asks(const Request& request) {
  return request.method == "GET" || request.method == "HEAD";
}

}  // namespace

/// What libcurl calls. No exception may pass through it: they are kept for `run` to throw.
struct Transfer::Callbacks {
  static std::size_t read(char* into, std::size_t size, std::size_t count, void* transfer) {
    auto& self = *static_cast<Transfer*>(transfer);
    std::size_t given = CURL_READFUNC_ABORT;
    self.guarded([&] { given = self.give(reinterpret_cast<std::byte*>(into), size * count); });
    return given;
  }

  static std::size_t write(char* bytes, std::size_t size, std::size_t count, void* transfer) {
    auto& self = *static_cast<Transfer*>(transfer);
    const ByteView view(reinterpret_cast<const std::byte*>(bytes), size * count);
    return self.guarded([&] { self.take_body(view); }) ? view.size() : view.size() + 1;
  }

  static std::size_t header(char* line, std::size_t size, std::size_t count, void* transfer) {
    auto& self = *static_cast<Transfer*>(transfer);
    const std::string_view text(line, size * count);
    return self.guarded([&] { self.take_header(text); }) ? text.size() : text.size() + 1;
  }

  /// libcurl sends a request again by itself if a connection that was used before turns out dead.
  /// Whether the server acted on the first one is then unknown, and the caller must know that.
  static int before_sending(void* transfer, char*, char*, int, int) {
    auto& self = *static_cast<Transfer*>(transfer);
    return ++self.sendings_ == 1 || only_asks(self.request_) ? CURL_PREREQFUNC_OK
                                                             : CURL_PREREQFUNC_ABORT;
  }

  /// Programs that we start get none of our connections.
  static int new_socket(void*, curl_socket_t socket, curlsocktype) {
    ::fcntl(socket, F_SETFD, FD_CLOEXEC);
    return CURL_SOCKOPT_OK;
  }
};

void Transfer::ListDeleter::operator()(curl_slist* list) const noexcept {
  curl_slist_free_all(list);
}

Transfer::Transfer(CURL* easy, CURLM* multi, const Request& request, const ClientOptions& options,
                   std::stop_token stop)
    : easy_(easy),
      multi_(multi),
      request_(request),
      options_(options),
      stop_(std::move(stop)),
      began_(steady_clock::now()),
      host_(host_of(request.url)),
      stall_(request.stall_timeout.value_or(options.stall_timeout), began_) {
  if (!is_http(request.url) || host_.empty()) {
    throw Error(Side::repository, ErrorKind::config,
                "the address of the server is no URL; write http://host or https://host");
  }
  set_connection_options();
  set_request_options();
  add_headers();
}

Transfer::~Transfer() = default;

Response Transfer::run() {
  // Shortest first: whatever ends this, the handle leaves the multi handle and can be used again.
  curl_multi_add_handle(multi_, easy_);
  struct Removal {
    CURLM* multi;
    CURL* easy;
    ~Removal() { curl_multi_remove_handle(multi, easy); }
  } const removal{multi_, easy_};
  const std::stop_callback wake(stop_, [this] { curl_multi_wakeup(multi_); });
  drive();
  response_.duration =
      std::chrono::duration_cast<std::chrono::microseconds>(steady_clock::now() - began_);
  return std::move(response_);
}

void Transfer::set_connection_options() {
  set(easy_, CURLOPT_NOSIGNAL, 1L);
  set(easy_, CURLOPT_QUICK_EXIT, 1L);  // A name server that hangs does not hold up a stop.
  set(easy_, CURLOPT_PROTOCOLS_STR, "http,https");
  set(easy_, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(easy_, CURLOPT_FOLLOWLOCATION, 0L);
  set(easy_, CURLOPT_TCP_KEEPALIVE, 1L);
  set(easy_, CURLOPT_MAXAGE_CONN, kMaxIdleSeconds);
  set(easy_, CURLOPT_SOCKOPTFUNCTION, &Callbacks::new_socket);
  set(easy_, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options_.connect_timeout.count()));
  set(easy_, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  if (!options_.unix_socket.empty()) {
    set(easy_, CURLOPT_UNIX_SOCKET_PATH, options_.unix_socket.c_str());
  }
  if (!options_.use_proxy || !options_.unix_socket.empty()) {
    set(easy_, CURLOPT_PROXY, "");
  }
  set(easy_, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  set(easy_, CURLOPT_CA_CACHE_TIMEOUT, kCertificateSeconds);
  if (!options_.ca_file.empty()) {
    set(easy_, CURLOPT_CAINFO, options_.ca_file.c_str());
  }
  set(easy_, CURLOPT_BUFFERSIZE, static_cast<long>(kPiece));
  set(easy_, CURLOPT_UPLOAD_BUFFERSIZE, static_cast<long>(kPiece));
}

void Transfer::set_request_options() {
  set(easy_, CURLOPT_URL, request_.url.c_str());
  set(easy_, CURLOPT_PATH_AS_IS, 1L);
  set(easy_, CURLOPT_ERRORBUFFER, detail_.data());
  set(easy_, CURLOPT_HEADERFUNCTION, &Callbacks::header);
  set(easy_, CURLOPT_HEADERDATA, static_cast<void*>(this));
  set(easy_, CURLOPT_WRITEFUNCTION, &Callbacks::write);
  set(easy_, CURLOPT_WRITEDATA, static_cast<void*>(this));
  set(easy_, CURLOPT_PREREQFUNCTION, &Callbacks::before_sending);
  set(easy_, CURLOPT_PREREQDATA, static_cast<void*>(this));
  if (request_.method == "HEAD") {
    set(easy_, CURLOPT_NOBODY, 1L);
    return;
  }
  if (has_body(request_)) {
    set(easy_, CURLOPT_UPLOAD, 1L);
    set(easy_, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(request_.body.size()));
    set(easy_, CURLOPT_READFUNCTION, &Callbacks::read);
    set(easy_, CURLOPT_READDATA, static_cast<void*>(this));
    set(easy_, CURLOPT_EXPECT_100_TIMEOUT_MS, kAskPatience);
  }
  set(easy_, CURLOPT_CUSTOMREQUEST, request_.method.c_str());
}

void Transfer::add_headers() {
  const auto add = [this](const std::string& line) {
    curl_slist* longer = curl_slist_append(headers_.get(), line.c_str());
    if (longer == nullptr) {
      throw std::bad_alloc();
    }
    (void)headers_.release();
    headers_.reset(longer);
  };
  for (const auto& [name, value] : request_.headers) {
    // To libcurl "name:" takes a header away; "name;" is one without a value.
    add(value.empty() ? name + ";" : fmt::format("{}: {}", name, value));
  }
  if (has_body(request_) && request_.body.size() < kAskFirst) {
    add("Expect:");
  }
  set(easy_, CURLOPT_HTTPHEADER, headers_.get());
  set(easy_, CURLOPT_USERAGENT, fmt::format("keyrewind/{}", version()).c_str());
}

void Transfer::drive() {
  int running = 1;
  while (true) {
    curl_multi_perform(multi_, &running);
    if (failure_) {
      std::rethrow_exception(failure_);
    }
    if (running == 0) {
      break;
    }
    throw_if_late();
    curl_multi_poll(multi_, nullptr, 0, kPollMilliseconds, nullptr);
  }
  int left = 0;
  const CURLMsg* message = curl_multi_info_read(multi_, &left);
  finish(message == nullptr ? CURLE_FAILED_INIT : message->data.result);
}

void Transfer::throw_if_late() {
  if (stop_.stop_requested()) {
    throw Error(ErrorKind::cancelled, "stopped");
  }
  const auto now = steady_clock::now();
  if (stall_.hangs(now, moved())) {
    fail(ErrorKind::unavailable, fmt::format("hangs: {} moved for {}",
                                             stall_.moved_at_all() ? "next to nothing" : "nothing",
                                             in_words(stall_.limit())));
  }
  if (options_.total_timeout.count() > 0 && now - began_ >= options_.total_timeout) {
    fail(ErrorKind::unavailable,
         fmt::format("did not answer within {}", in_words(options_.total_timeout)));
  }
}

/// Bytes that have left this machine or come to it.
std::int64_t Transfer::moved() const {
  std::int64_t bytes = info<curl_off_t>(easy_, CURLINFO_SIZE_UPLOAD_T) + headers_bytes_ +
                       static_cast<std::int64_t>(response_.received);
  // What waits in the kernel's buffer, some MiB on a slow line, has not moved yet: while it
  // shrinks, the transfer is alive.
  const auto socket = info<curl_socket_t>(easy_, CURLINFO_ACTIVESOCKET);
  int waiting = 0;
  if (given_ > 0 && socket != CURL_SOCKET_BAD && ::ioctl(socket, SIOCOUTQ, &waiting) == 0) {
    bytes -= waiting;
  }
  return bytes;
}

void Transfer::finish(int result) {
  response_.status = static_cast<int>(info<long>(easy_, CURLINFO_RESPONSE_CODE));
  if (result != CURLE_OK) {
    throw_failure(result);
  }
}

void Transfer::throw_failure(int result) const {
  switch (result) {
    case CURLE_URL_MALFORMAT:
      fail(ErrorKind::config, "is no address of a server; write http://host or https://host");
    case CURLE_SSL_CACERT_BADFILE:
      throw Error(Side::repository, ErrorKind::config,
                  options_.ca_file.empty()
                      ? std::string("the system's certificates can't be read; install the package "
                                    "ca-certificates or set ca_file")
                      : fmt::format("the certificates in {} can't be used; ca_file must name a PEM "
                                    "file that can be read",
                                    options_.ca_file));
    case CURLE_PEER_FAILED_VERIFICATION:
      fail(ErrorKind::denied,
           fmt::format("is not trusted: {}; if it is right, set ca_file to its authority's "
                       "certificate",
                       detail_.data()));
    case CURLE_SSL_CONNECT_ERROR:
      fail(ErrorKind::unavailable,
           fmt::format("TLS could not be agreed on: {}; is it https there?", detail_.data()));
    case CURLE_COULDNT_RESOLVE_HOST:
      fail(ErrorKind::unavailable, "is a name that can't be resolved");
    case CURLE_COULDNT_RESOLVE_PROXY:
      fail(ErrorKind::unavailable, "the proxy from the environment can't be resolved");
    case CURLE_COULDNT_CONNECT:
      fail(ErrorKind::unavailable,
           fmt::format("can't be connected to: {}",
                       errno_text(static_cast<int>(info<long>(easy_, CURLINFO_OS_ERRNO)))));
    case CURLE_OPERATION_TIMEDOUT:
      fail(ErrorKind::unavailable,
           fmt::format("can't be connected to within {}", in_words(options_.connect_timeout)));
    case CURLE_GOT_NOTHING:
      fail(ErrorKind::unavailable, "closed the connection without an answer");
    case CURLE_PARTIAL_FILE:
      fail(ErrorKind::unavailable, cut_short());
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
      fail(ErrorKind::unavailable, "answers something that is no HTTP");
    default:
      break;
  }
  const auto connect_status = info<long>(easy_, CURLINFO_HTTP_CONNECTCODE);
  if (connect_status >= 300) {
    fail(ErrorKind::unavailable,
         fmt::format("the proxy from the environment answers {}", connect_status));
  }
  const int number = static_cast<int>(info<long>(easy_, CURLINFO_OS_ERRNO));
  fail(ErrorKind::unavailable,
       fmt::format("the connection broke{}", number == 0 ? "" : ": " + errno_text(number)));
}

void Transfer::fail(ErrorKind kind, std::string_view what) const {
  throw Error(Side::repository, kind, fmt::format("{} {}", host_, what));
}

std::string Transfer::cut_short() const {
  return fmt::format("cut its answer short after {} bytes", response_.received);
}

std::size_t Transfer::give(std::byte* into, std::size_t room) {
  const std::size_t smooth =
      options_.upload_limit == nullptr ? kPiece : options_.upload_limit->piece();
  const std::size_t bytes = std::min({room, kPiece, smooth, request_.body.size() - given_});
  if (bytes > 0) {
    hold_back(options_.upload_limit, bytes);
    std::memcpy(into, request_.body.data() + given_, bytes);
    given_ += bytes;
  }
  return bytes;
}

void Transfer::take_header(std::string_view line) {
  headers_bytes_ += static_cast<std::int64_t>(line.size());
  if (line.starts_with("HTTP/")) {  // Of the answer proper: what came before was a 100.
    response_.headers.clear();
    return;
  }
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) {
    return;
  }
  std::string name(line.substr(0, colon));
  std::transform(name.begin(), name.end(), name.begin(), to_lower);
  response_.headers.emplace_back(std::move(name), trimmed(line.substr(colon + 1)));
}

void Transfer::take_body(ByteView bytes) {
  hold_back(options_.download_limit, bytes.size());
  const auto status = info<long>(easy_, CURLINFO_RESPONSE_CODE);
  const bool into = !request_.into.empty() && status >= 200 && status < 300;
  const std::uint64_t most = into ? request_.into.size() : request_.max_body;
  if (bytes.size() > most - response_.received) {
    throw Error(Side::repository, ErrorKind::protocol,
                fmt::format("{} answers more than the {} bytes expected", host_, most));
  }
  if (into) {
    std::memcpy(request_.into.data() + response_.received, bytes.data(), bytes.size());
  } else {
    make_room(bytes.size());
    response_.body.insert(response_.body.end(), bytes.begin(), bytes.end());
  }
  response_.received += bytes.size();
}

/// All at once where the answer says how long it is.
void Transfer::make_room(std::size_t bytes) {
  if (!response_.body.empty()) {
    return;
  }
  const auto length = info<curl_off_t>(easy_, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T);
  if (length > 0) {
    response_.body.reserve(static_cast<std::size_t>(std::max<std::uint64_t>(
        bytes, std::min<std::uint64_t>(static_cast<std::uint64_t>(length), request_.max_body))));
  }
}

void Transfer::hold_back(flow::RateLimit* limit, std::size_t bytes) {
  if (limit == nullptr) {
    return;
  }
  const auto before = steady_clock::now();
  limit->take(bytes, stop_);
  stall_.forgive(steady_clock::now() - before);
}

}  // namespace keyrewind::http
