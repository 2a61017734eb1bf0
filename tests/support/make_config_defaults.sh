#!/usr/bin/env bash
# Writes agent/replica/config_defaults.cpp anew: starts each server that fetch-servers.sh has
# fetched without options and asks it for its configuration.
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
bin=$root/build/servers/bin
out=$root/agent/replica/config_defaults.cpp
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Prints "name<TAB>value" for every option of one server. No port is opened, and the socket is
# needed to ask at all, so these two are put back to what they are without being set. The data
# folder has no default: it is wherever the server was started.
ask() {
  local name=$1 version=$2 folder=$work/$1-$2 socket=$work/$1-$2/s
  mkdir "$folder"
  (cd "$folder" && exec "$bin/$name-server-$version" --port 0 --unixsocket "$socket" >/dev/null) &
  local server=$!
  local cli=("$bin/$name-cli-$version" -s "$socket")
  for _ in $(seq 200); do
    [ "$("${cli[@]}" PING 2>/dev/null)" = PONG ] && break
    sleep 0.05
  done
  "${cli[@]}" CONFIG GET '*' | paste - - | awk -F'\t' -v OFS='\t' '
    $1 == "port" { $2 = 6379 }
    $1 == "unixsocket" { $2 = "" }
    $1 != "dir" { print $1, $2 }'
  kill "$server"
  wait "$server" || true
}

for server in "$bin"/{redis,valkey}-server-*; do
  version=${server##*-}
  name=$(basename "$server")
  ask "${name%%-*}" "$version"
done | LC_ALL=C sort -u >"$work/defaults"

{
  cat <<'HEAD'
// Made by tests/support/make_config_defaults.sh; change that and run it, not this.

#include "replica/config_defaults.h"

namespace keyrewind::replica {

namespace {

constexpr ConfigDefault kDefaults[] = {
HEAD
  awk -F'\t' '{ printf "    {\"%s\", \"%s\"},\n", $1, $2 }' "$work/defaults"
  cat <<'TAIL'
};

}  // namespace

std::span<const ConfigDefault> config_defaults() noexcept { return kDefaults; }

}  // namespace keyrewind::replica
TAIL
} >"$out"
if command -v clang-format-14 >/dev/null; then
  clang-format-14 -i "$out"
fi
echo "$(wc -l <"$work/defaults") defaults in $out"
