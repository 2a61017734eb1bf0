#include "http/client.h"

#include "base/error.h"
#include "http/transfer.h"

#include <curl/curl.h>

#include <algorithm>
#include <array>
#include <mutex>
#include <utility>

namespace keyrewind::http {
namespace {

void prepare_libcurl() {
  static const CURLcode prepared = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (prepared != CURLE_OK) {
    throw Error(ErrorKind::internal, "libcurl can't be initialised");
  }
}

/// What all connections of a client know together: addresses, and TLS sessions to go on with.
/// Connections themselves may not be shared by threads.
class Shared {
 public:
  Shared() : share_(curl_share_init()) {
    if (share_ == nullptr) {
      throw std::bad_alloc();
    }
    curl_share_setopt(share_, CURLSHOPT_USERDATA, this);
    curl_share_setopt(share_, CURLSHOPT_LOCKFUNC, &Shared::lock);
    curl_share_setopt(share_, CURLSHOPT_UNLOCKFUNC, &Shared::unlock);
    curl_share_setopt(share_, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS);
    curl_share_setopt(share_, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
  }
  ~Shared() { curl_share_cleanup(share_); }
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;

  CURLSH* get() const noexcept { return share_; }

 private:
  static void lock(CURL*, curl_lock_data what, curl_lock_access, void* self) {
    static_cast<Shared*>(self)->mutexes_.at(what).lock();
  }
  static void unlock(CURL*, curl_lock_data what, void* self) {
    static_cast<Shared*>(self)->mutexes_.at(what).unlock();
  }

  CURLSH* const share_;
  std::array<std::mutex, CURL_LOCK_DATA_LAST> mutexes_;
};

struct EasyDeleter {
  void operator()(CURL* easy) const noexcept { curl_easy_cleanup(easy); }
};
struct MultiDeleter {
  void operator()(CURLM* multi) const noexcept { curl_multi_cleanup(multi); }
};

/// A multi handle drives one easy handle, because it can be woken, and keeps its connections.
struct Handles {
  std::unique_ptr<CURLM, MultiDeleter> multi;
  std::unique_ptr<CURL, EasyDeleter> easy;
};

}  // namespace

/// Lends handles: the one that was used last first, whose connection is the warmest.
class Client::Work {
 public:
  explicit Work(ClientOptions options) : options_(std::move(options)) {}

  Response send(const Request& request, std::stop_token stop) {
    Handles handles = borrow();
    curl_easy_reset(handles.easy.get());
    curl_easy_setopt(handles.easy.get(), CURLOPT_SHARE, shared_.get());
    Response response =
        Transfer(handles.easy.get(), handles.multi.get(), request, options_, std::move(stop)).run();
    give_back(std::move(handles));
    return response;
  }

 private:
  Handles borrow() {
    {
      const std::lock_guard lock(mutex_);
      if (!idle_.empty()) {
        Handles handles = std::move(idle_.back());
        idle_.pop_back();
        return handles;
      }
    }
    Handles handles;
    handles.multi.reset(curl_multi_init());
    handles.easy.reset(curl_easy_init());
    if (!handles.multi || !handles.easy) {
      throw std::bad_alloc();
    }
    curl_multi_setopt(handles.multi.get(), CURLMOPT_MAXCONNECTS, 4L);
    return handles;
  }

  void give_back(Handles handles) {
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(handles));
  }

  const ClientOptions options_;
  Shared shared_;  ///< Outlives the handles.
  std::mutex mutex_;
  std::vector<Handles> idle_;  ///< Guarded by `mutex_`.
};

const std::string& Response::header(std::string_view name) const noexcept {
  static const std::string none;
  const auto found =
      std::find_if(headers.begin(), headers.end(), [&](const auto& h) { return h.first == name; });
  return found == headers.end() ? none : found->second;
}

Client::Client(ClientOptions options) {
  prepare_libcurl();
  work_ = std::make_unique<Work>(std::move(options));
}
Client::~Client() = default;

Response Client::send(const Request& request, std::stop_token stop) {
  if (stop.stop_requested()) {
    throw Error(ErrorKind::cancelled, "stopped");
  }
  return work_->send(request, std::move(stop));
}

}  // namespace keyrewind::http
