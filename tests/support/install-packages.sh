#!/usr/bin/env bash
# Installs from Debian what building or testing Keyrewind needs, as root or with sudo, without a question. Does nothing,
# and needs neither root nor network, when all of it is there.
#
#   install-packages.sh [build|test|quickstart]
#
#   build        compiler and libraries
#   test         those, the test libraries, clang's tools and what the tests run (the default)
#   quickstart   those of build
#
# No Redis or Valkey server is among them: Debian's package would start a service on port 6379 of this machine, and that
# is not ours to decide. tests/support/fetch-servers.sh puts servers into a folder instead.
set -euo pipefail

build=(
  g++ cmake ninja-build pkg-config
  libcli11-dev libcurl4-openssl-dev libfmt-dev libhiredis-dev libisal-dev liblzf-dev libpugixml-dev libspdlog-dev
  libssl-dev libyaml-cpp-dev libzstd-dev nlohmann-json3-dev prometheus-cpp-dev
)
test=(
  libbenchmark-dev libgmock-dev libgtest-dev
  clang-14 clang-format-14 clang-tidy-14 libclang-rt-14-dev
  openssl procps python3 python3-jsonschema time zstd
)

case ${1:-test} in
  build | quickstart) packages=("${build[@]}") ;;
  test) packages=("${build[@]}" "${test[@]}") ;;
  *)
    echo "usage: install-packages.sh [build|test|quickstart]" >&2
    exit 2
    ;;
esac

say() { echo "install-packages: $*" >&2; }

if ! command -v apt-get >/dev/null; then
  say "this is no Debian; install what these packages of Debian 12 have: ${packages[*]}"
  exit 1
fi

installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

missing=()
for package in "${packages[@]}"; do
  installed "$package" || missing+=("$package")
done
[ "${#missing[@]}" -gt 0 ] || exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { say "run this as root, or install sudo; missing: ${missing[*]}"; exit 1; }
  as_root=(sudo)
fi

apt() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=a apt-get -q -y \
    -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@" </dev/null
}

say "installing ${missing[*]}"
apt update >&2 || say "apt-get update failed; going on with the lists that are here"
apt install --no-install-recommends "${missing[@]}" >&2
