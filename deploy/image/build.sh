#!/usr/bin/env bash
# Builds keyrewind as images have it: on a fresh Debian 12, with what it installs for that.
#
#   build.sh SOURCE OUT     OUT gets the program
set -euo pipefail

[ "$#" -eq 2 ] || { sed -n '2,/^set/ s/^# \{0,1\}//p' "$0" >&2; exit 2; }
mkdir -p "$2"
out=$(cd "$2" && pwd)
cd "$1"

tests/support/install-packages.sh build
cmake --preset release -DKEYREWIND_TESTS=OFF
cmake --build --preset release --target keyrewind
install -m 755 build/release/keyrewind "$out/keyrewind"
"$out/keyrewind" version
