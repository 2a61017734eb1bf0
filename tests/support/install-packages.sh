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
# No Redis or Valkey server is among them: tests/support/fetch-servers.sh puts those of several versions into a folder.
# The S3 servers that tests start for themselves are, and Prometheus, for its promtool; Debian's packages would also run
# them as services of this machine, and that is not ours to decide: they are neither started nor enabled, unless they were
# there before.
set -euo pipefail

build=(
  g++ cmake ninja-build pkg-config
  libcli11-dev libcurl4-openssl-dev libfmt-dev libhiredis-dev libhowardhinnant-date-dev libisal-dev liblzf-dev
  libmicrohttpd-dev libpugixml-dev libspdlog-dev libssl-dev libyaml-cpp-dev libzstd-dev nlohmann-json3-dev
  prometheus-cpp-dev
)
services=(
  ceph-mon ceph-osd radosgw
  memcached swift-account swift-container swift-object swift-proxy
  prometheus
)
test=(
  libbenchmark-dev libgmock-dev libgtest-dev
  clang-14 clang-format-14 clang-tidy-14 libclang-rt-14-dev
  openssl procps python3 python3-jsonschema python3-yaml time zstd
  binutils ca-certificates tzdata util-linux
  age curl python3-botocore rclone
  dpkg-dev fish groff-base gzip man-db systemd zsh
  "${services[@]}"
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

# Debian asks this file, if there is one, before a package starts a service.
policy=/usr/sbin/policy-rc.d
made_policy=
forbid_starts() {
  [ ! -e "$policy" ] || return 0
  printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
  made_policy=1
  "${as_root[@]}" chmod 755 "$policy"
}
allow_starts() { [ -z "$made_policy" ] || "${as_root[@]}" rm -f "$policy"; }

units_of() { dpkg -L "$1" | sed -n 's|^\(/usr\)\?/lib/systemd/system/\([^@]*\.service\)$|\2|p'; }

disable_new_services() {
  command -v systemctl >/dev/null || return 0
  local package unit
  for package in "${services[@]}"; do
    [[ " ${missing[*]} " = *" $package "* ]] || continue
    for unit in $(units_of "$package"); do
      "${as_root[@]}" systemctl disable --quiet "$unit" >/dev/null 2>&1 || true
    done
  done
}

say "installing ${missing[*]}"
apt update >&2 || say "apt-get update failed; going on with the lists that are here"
trap allow_starts EXIT
forbid_starts
apt install --no-install-recommends "${missing[@]}" >&2
disable_new_services
