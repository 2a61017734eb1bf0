#include "io/tls_context.h"

#include "base/error.h"
#include "io/file.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <new>

namespace keyrewind::io {

namespace {

/// With read-ahead, one recv(2) brings several TLS records of 16 KiB.
constexpr std::size_t kReadAhead = 256 << 10;

/// A BIO over a descriptor that never raises SIGPIPE, which OpenSSL's own, using write(2), does.
int send_bytes(BIO* bio, const char* bytes, std::size_t size, std::size_t* sent) {
  const auto socket = static_cast<int>(reinterpret_cast<std::intptr_t>(BIO_get_data(bio)));
  const ssize_t count = ::send(socket, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);
  BIO_clear_retry_flags(bio);
  if (count < 0) {
    if (errno == EAGAIN || errno == EINTR) {
      BIO_set_retry_write(bio);
    }
    return 0;
  }
  *sent = static_cast<std::size_t>(count);
  return 1;
}

int receive_bytes(BIO* bio, char* bytes, std::size_t size, std::size_t* received) {
  const auto socket = static_cast<int>(reinterpret_cast<std::intptr_t>(BIO_get_data(bio)));
  const ssize_t count = ::recv(socket, bytes, size, MSG_DONTWAIT);
  BIO_clear_retry_flags(bio);
  if (count <= 0) {
    if (count == 0) {
      BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
    } else if (errno == EAGAIN || errno == EINTR) {
      BIO_set_retry_read(bio);
    }
    return 0;
  }
  *received = static_cast<std::size_t>(count);
  return 1;
}

long control(BIO* bio, int command, long, void*) {
  switch (command) {
    case BIO_CTRL_FLUSH:
      return 1;
    case BIO_CTRL_EOF:
      return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0 ? 1 : 0;
    default:
      return 0;
  }
}

struct FreeMethod {
  void operator()(BIO_METHOD* method) const noexcept { BIO_meth_free(method); }
};

const BIO_METHOD* descriptor_method() {
  static const std::unique_ptr<BIO_METHOD, FreeMethod> method = [] {
    std::unique_ptr<BIO_METHOD, FreeMethod> made(
        BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "descriptor"));
    if (!made) {
      throw std::bad_alloc();
    }
    BIO_meth_set_write_ex(made.get(), send_bytes);
    BIO_meth_set_read_ex(made.get(), receive_bytes);
    BIO_meth_set_ctrl(made.get(), control);
    return made;
  }();
  return method.get();
}

bool is_ip_address(const std::string& name) {
  std::array<std::byte, sizeof(in6_addr)> ignored{};
  return ::inet_pton(AF_INET, name.c_str(), ignored.data()) == 1 ||
         ::inet_pton(AF_INET6, name.c_str(), ignored.data()) == 1;
}

/// OpenSSL's last note, in words; the notes are taken away.
std::string last_note() {
  const unsigned long code = ERR_peek_last_error();
  ERR_clear_error();
  const char* reason = ERR_reason_error_string(code);
  return reason != nullptr ? reason : fmt::format("error {:x}", code);
}

Error bad_file(const char* option, const std::string& path, const std::string& why) {
  ERR_clear_error();
  return {ErrorKind::config, fmt::format("{}: {}: {}", option, path, why)};
}

/// Says why a file cannot be read in the words of the kernel, which OpenSSL garbles.
void check_readable(const char* option, const std::string& path) {
  try {
    open_to_read(path, Side::here);
  } catch (const Error& error) {
    throw Error(ErrorKind::config, fmt::format("{}: {}", option, error.what()));
  }
}

/// Instead of OpenSSL's default, which asks for a password on the terminal.
int no_password(char*, int, int, void*) {
  return 0;
}

void load_trust(SSL_CTX& context, const std::string& ca_file) {
  if (ca_file.empty()) {
    SSL_CTX_set_default_verify_paths(&context);
    return;
  }
  check_readable("source.tls.ca_file", ca_file);
  if (SSL_CTX_load_verify_file(&context, ca_file.c_str()) != 1) {
    throw bad_file("source.tls.ca_file", ca_file, "holds no PEM certificate");
  }
}

void load_identity(SSL_CTX& context, const std::string& cert_file, const std::string& key_file) {
  if (cert_file.empty() && key_file.empty()) {
    return;
  }
  if (cert_file.empty() || key_file.empty()) {
    throw Error(ErrorKind::config,
                "source.tls.cert_file and source.tls.key_file go together; set both or none");
  }
  check_readable("source.tls.cert_file", cert_file);
  check_readable("source.tls.key_file", key_file);
  if (SSL_CTX_use_certificate_chain_file(&context, cert_file.c_str()) != 1) {
    throw bad_file("source.tls.cert_file", cert_file, "holds no PEM certificate");
  }
  SSL_CTX_set_default_passwd_cb(&context, no_password);
  if (SSL_CTX_use_PrivateKey_file(&context, key_file.c_str(), SSL_FILETYPE_PEM) != 1) {
    const bool is_of_another = ERR_GET_REASON(ERR_peek_last_error()) == X509_R_KEY_VALUES_MISMATCH;
    throw bad_file("source.tls.key_file", key_file,
                   is_of_another ? "is not the key of source.tls.cert_file"
                                 : "holds no PEM private key without a password");
  }
}

Error denied(std::string message) {
  return {Side::source, ErrorKind::denied, std::move(message)};
}

Error verify_error(long result, const std::string& peer, const std::string& name) {
  const char* text = X509_verify_cert_error_string(result);
  switch (result) {
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return denied(fmt::format(
          "certificate of {} is not for \"{}\"; set source.tls.server_name to a name it has", peer,
          name));
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return denied(fmt::format("certificate of {} is not valid now: {}; renew it on the server",
                                peer, text));
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
      return denied(
          fmt::format("certificate of {} is not trusted: {}; set source.tls.ca_file", peer, text));
    default:
      return denied(fmt::format("certificate of {} is not trusted: {}", peer, text));
  }
}

/// Whether the peer's first bytes show that it does not speak TLS at all.
bool is_no_tls(int reason) noexcept {
  return reason == SSL_R_WRONG_VERSION_NUMBER || reason == SSL_R_HTTP_REQUEST ||
         reason == SSL_R_PACKET_LENGTH_TOO_LONG || reason == SSL_R_RECORD_TOO_SMALL;
}

}  // namespace

TlsContext make_tls_context(const TlsOptions& options) {
  TlsContext context(SSL_CTX_new(TLS_client_method()));
  if (!context) {
    throw Error(ErrorKind::failed, "set up TLS: " + last_note());
  }
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  // A server may close without saying so. What we read says itself where it ends.
  SSL_CTX_set_options(context.get(), SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_mode(context.get(),
                   SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_read_ahead(context.get(), 1);
  SSL_CTX_set_default_read_buffer_len(context.get(), kReadAhead);
  load_trust(*context, options.ca_file);
  load_identity(*context, options.cert_file, options.key_file);
  return context;
}

Tls make_tls(SSL_CTX& context, int socket, const std::string& name) {
  Tls tls(SSL_new(&context));
  BIO* bio = BIO_new(descriptor_method());
  if (!tls || bio == nullptr) {
    BIO_free(bio);
    throw std::bad_alloc();
  }
  BIO_set_data(bio, reinterpret_cast<void*>(std::intptr_t{socket}));
  BIO_set_init(bio, 1);
  SSL_set_bio(tls.get(), bio, bio);  // Takes the one reference that both directions share.

  X509_VERIFY_PARAM* verify = SSL_get0_param(tls.get());
  if (is_ip_address(name)) {
    X509_VERIFY_PARAM_set1_ip_asc(verify, name.c_str());
    return tls;
  }
  X509_VERIFY_PARAM_set_hostflags(verify, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  if (X509_VERIFY_PARAM_set1_host(verify, name.data(), name.size()) != 1 ||
      SSL_ctrl(tls.get(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
               const_cast<char*>(name.c_str())) != 1) {
    ERR_clear_error();
    throw Error(ErrorKind::config, fmt::format("\"{}\" is no name that TLS can verify", name));
  }
  return tls;
}

Error tls_error(const SSL& tls, const std::string& doing, const std::string& peer,
                const std::string& name) {
  if (const long result = SSL_get_verify_result(&tls); result != X509_V_OK) {
    ERR_clear_error();
    return verify_error(result, peer, name);
  }
  const int reason = ERR_GET_REASON(ERR_peek_last_error());
  if (is_no_tls(reason)) {
    ERR_clear_error();
    return {Side::source, ErrorKind::protocol,
            fmt::format("{} does not speak TLS; for plain text write valkey:// or redis://", peer)};
  }
  if (refuses_our_certificate()) {
    const bool has_none = SSL_get_certificate(&tls) == nullptr;
    const std::string note = last_note();
    return denied(has_none
                      ? fmt::format("{} wants a client certificate; set source.tls.cert_file and "
                                    "source.tls.key_file",
                                    peer)
                      : fmt::format("{} refused our certificate: {}; check source.tls.cert_file",
                                    peer, note));
  }
  return {Side::source, ErrorKind::protocol, fmt::format("{} {}: {}", doing, peer, last_note())};
}

bool refuses_our_certificate() noexcept {
  switch (ERR_GET_REASON(ERR_peek_last_error())) {
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
    case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:
    case SSL_R_SSLV3_ALERT_NO_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
    case SSL_R_TLSV1_ALERT_ACCESS_DENIED:
      return true;
    default:
      return false;
  }
}

}  // namespace keyrewind::io
