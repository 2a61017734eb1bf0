#!/usr/bin/env bash
# One server for many processes at once: whoever comes first starts it, and it ends when the last of them has ended,
# whichever way, SIGKILL included.
#
#   shared-server.sh join SCRIPT DIR PID   makes sure that the server of SCRIPT (ceph-rgw.sh, swift-s3.sh) runs in
#                                          DIR/server as long as the process PID lives; prints nothing
#   shared-server.sh hold SCRIPT DIR       the same for the process that calls this, such as ctest. Does nothing where the
#                                          packages are missing, unless KEYREWIND_REQUIRE_SERVERS=1 or CI=true
#   shared-server.sh leave DIR PID         PID needs it no longer
#   shared-server.sh release DIR           the same for the process that calls this
set -euo pipefail

usage() { sed -n '2,/^set/ s/^# \{0,1\}//p' "$0" >&2; exit 2; }

me=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/$(basename "${BASH_SOURCE[0]}")

name_of() {  # name_of PID: with the time of its start, as pids are used again; nothing if it has ended
  local stat
  stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 0
  read -r -a fields <<<"${stat##*) }"
  # A zombie has ended.
  [ "${fields[0]}" = Z ] || echo "$1 ${fields[19]}"
}

lock() {
  exec 9>"$dir/lock"
  flock 9
}
unlock() { exec 9>&-; }

join() {  # join PID
  mkdir -p "$dir"
  lock
  if [ ! -e "$dir/server/shared" ] || ! "$script" alive "$dir/server" 9>&-; then
    "$script" destroy "$dir/server" 9>&-
    rm -f "$dir/owners"
    "$script" start "$dir/server" >&2 9>&-
    : >"$dir/server/shared"
    name_of "$1" >"$dir/owners"
    setsid "$me" watch "$script" "$dir" </dev/null >/dev/null 2>&1 9>&- &
  else
    name_of "$1" >>"$dir/owners"
  fi
  unlock
}

leave() {  # leave PID
  [ -e "$dir/owners" ] || return 0
  lock
  grep -v "^$1 " "$dir/owners" >"$dir/owners.new" || true
  mv "$dir/owners.new" "$dir/owners"
  unlock
}

anyone_left() {
  local pid start
  while read -r pid start; do
    [ "$(name_of "$pid")" != "$pid $start" ] || return 0
  done <"$dir/owners"
  return 1
}

watch() {
  local began
  began=$(stat -c %i "$dir/server/shared")
  while sleep 0.5; do
    [ -d "$dir" ] || exit 0
    lock
    # Another server is another watcher's.
    [ "$(stat -c %i "$dir/server/shared" 2>/dev/null)" = "$began" ] || exit 0
    if ! anyone_left; then
      "$script" destroy "$dir/server" 9>&-
      rm -f "$dir/owners"
      exit 0
    fi
    unlock
  done
}

[ $# -ge 2 ] || usage
case $1 in
  join)
    script=$2 dir=$3
    join "$4"
    ;;
  hold)
    script=$2 dir=$3
    if ! missing=$("$script" installed); then
      echo "missing on this machine: ${missing//$'\n'/ }; run tests/support/install-packages.sh" >&2
      if [ "${KEYREWIND_REQUIRE_SERVERS:-}" = 1 ] || [ "${CI:-}" = true ]; then exit 1; fi
      exit 0
    fi
    join "$PPID"
    ;;
  leave)
    dir=$2
    leave "$3"
    ;;
  release)
    dir=$2
    leave "$PPID"
    ;;
  watch)
    script=$2 dir=$3
    watch
    ;;
  *) usage ;;
esac
