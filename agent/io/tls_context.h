#pragma once

#include "base/error.h"
#include "io/socket.h"

#include <openssl/ssl.h>

#include <memory>
#include <string>

/// Sets up OpenSSL and words its failures; for this room only.
namespace keyrewind::io {

struct FreeTlsContext {
  void operator()(SSL_CTX* context) const noexcept { SSL_CTX_free(context); }
};
struct FreeTls {
  void operator()(SSL* tls) const noexcept { SSL_free(tls); }
};
using TlsContext = std::unique_ptr<SSL_CTX, FreeTlsContext>;
using Tls = std::unique_ptr<SSL, FreeTls>;

/// A client's context with the trust anchors and the certificate of `options`.
/// Throws Error(config) that names the file that cannot be used.
TlsContext make_tls_context(const TlsOptions& options);

/// A client that speaks over `socket`, which must outlive it, and will verify the peer against
/// `name`: a host name, which is sent as well, or an IP address.
Tls make_tls(SSL_CTX& context, int socket, const std::string& name);

/// Why the handshake or the transfer failed, from what OpenSSL noted of it. `name` is the one that
/// was verified. Takes OpenSSL's notes of this thread away.
Error tls_error(const SSL& tls, const std::string& doing, const std::string& peer,
                const std::string& name);

/// Whether OpenSSL's last note is an alert from the peer about our certificate, or the lack of it.
bool refuses_our_certificate() noexcept;

}  // namespace keyrewind::io
