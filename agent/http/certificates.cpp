#include "http/certificates.h"

#include "base/bytes.h"
#include "base/error.h"
#include "io/file.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <cstdint>
#include <utility>

namespace keyrewind::http {
namespace {

constexpr std::uint64_t kMaxPem = 1U << 20U;
constexpr std::chrono::seconds kLookInterval{1};

std::string read_pem(const std::filesystem::path& path) {
  try {
    const Bytes bytes = io::read_file(path, kMaxPem, Side::here);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  } catch (const Error& error) {
    throw Error(ErrorKind::config, fmt::format("http.tls: {}", error.what()));
  }
}

}  // namespace

Certificates::Certificates(std::filesystem::path cert_file, std::filesystem::path key_file)
    : cert_file_(std::move(cert_file)), key_file_(std::move(key_file)) {}

TlsFiles Certificates::read() {
  // Looked at first: what changes while it is read counts as changed.
  seen_ = fingerprint(cert_file_) + fingerprint(key_file_);
  return {read_pem(cert_file_), read_pem(key_file_)};
}

bool Certificates::have_changed(std::chrono::steady_clock::time_point now) {
  if (now - looked_ < kLookInterval) {
    return false;
  }
  looked_ = now;
  return fingerprint(cert_file_) + fingerprint(key_file_) != seen_;
}

std::string Certificates::fingerprint(const std::filesystem::path& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) {
    return "-;";
  }
  return fmt::format("{}.{}.{}.{};", info.st_ino, info.st_size, info.st_mtim.tv_sec,
                     info.st_mtim.tv_nsec);
}

}  // namespace keyrewind::http
