#include "support/tls_files.h"

#include "support/process.h"

#include <fstream>
#include <stdexcept>
#include <vector>

namespace keyrewind::test {

namespace {

constexpr const char* kNames = "subjectAltName=DNS:localhost,DNS:node.example,IP:127.0.0.1";

/// What `openssl ca` wants to know; no other command sets the dates of a certificate.
constexpr const char* kCaConfig = R"([ca]
default_ca = here
[here]
database = index.txt
serial = serial.txt
new_certs_dir = .
default_md = sha256
policy = any
[any]
commonName = supplied
[names]
)";

void openssl(const TempDir& folder, const std::vector<std::string>& arguments) {
  ProcessOptions options;
  options.command = {"openssl"};
  options.command.insert(options.command.end(), arguments.begin(), arguments.end());
  options.cwd = folder.path();
  const RunResult result = run(options);
  if (result.status != 0) {
    throw std::runtime_error("openssl: " + result.err);
  }
}

std::vector<std::string> request_arguments(const std::string& name) {
  return {"req",    "-newkey", "ec",          "-pkeyopt", "ec_paramgen_curve:prime256v1",
          "-nodes", "-subj",   "/CN=" + name, "-keyout",  name + ".key"};
}

std::vector<std::string> operator+(std::vector<std::string> left,
                                   const std::vector<std::string>& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

}  // namespace

TlsFiles::TlsFiles() {
  make_authority("ca");
  make_authority("other");
  make_certificate("server", "ca");
  make_certificate("client", "ca");
  make_certificate("stranger", "other");
  make_expired_certificate();
  openssl(folder_,
          {"pkey", "-in", "client.key", "-out", "locked.key", "-aes256", "-passout", "pass:wrong"});
}

void TlsFiles::make_authority(const std::string& name) {
  openssl(folder_, request_arguments(name) +
                       std::vector<std::string>{"-x509", "-days", "2", "-out", name + ".crt"});
}

void TlsFiles::make_certificate(const std::string& name, const std::string& authority) {
  openssl(folder_,
          request_arguments(name) +
              std::vector<std::string>{"-x509", "-days", "2", "-addext", kNames, "-addext",
                                       "basicConstraints=CA:FALSE", "-CA", authority + ".crt",
                                       "-CAkey", authority + ".key", "-out", name + ".crt"});
}

void TlsFiles::make_expired_certificate() {
  std::ofstream(folder_ / "ca.cnf") << kCaConfig << kNames << '\n';
  std::ofstream(folder_ / "index.txt");
  std::ofstream(folder_ / "serial.txt") << "01\n";
  openssl(folder_,
          {"req", "-new", "-key", "server.key", "-subj", "/CN=expired", "-out", "expired.csr"});
  openssl(folder_, {"ca", "-batch", "-config", "ca.cnf", "-extensions", "names", "-in",
                    "expired.csr", "-out", "expired.crt", "-notext", "-cert", "ca.crt", "-keyfile",
                    "ca.key", "-startdate", "20200101000000Z", "-enddate", "20200102000000Z"});
}

}  // namespace keyrewind::test
