#!/usr/bin/env bash
# What an agent costs that has nothing to do: CPU over a minute and memory, with a schedule, a heartbeat that nobody gets
# and all its threads, beside a server without clients. Build first, with tests/run.sh or cmake --build --preset release.
#
#   tests/bench/idle.sh [OPTION...]
#
#   --seconds N      how long to look (60)
#   --settle N       how long to wait before that, until the first snapshot is long over (10)
#   --dir DIR        where repository and spool go ($TMPDIR or /tmp)
#   --build DIR      whose keyrewind (build/release)
#   --server NAME    which server (redis-server-7.0)
#
# Prints the share of one core in percent, the resident memory in MiB now and at its peak, and the number of threads.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
seconds=60 settle=10 dir=${TMPDIR:-/tmp} build=$root/build/release server=redis-server-7.0
usage() {
  sed -n '2,/^set/ s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
  exit 2
}
while [ $# -gt 0 ]; do
  case $1 in
    --seconds | --settle | --dir | --build | --server) [ $# -ge 2 ] || usage ;;
    *) usage ;;
  esac
  case $1 in
    --seconds) seconds=$2 ;;
    --settle) settle=$2 ;;
    --dir) dir=$2 ;;
    --build) build=$2 ;;
    --server) server=$2 ;;
  esac
  shift 2
done

name=idle.sh
. "$root/tests/bench/server.sh"
keyrewind=$build/keyrewind
need "$keyrewind" "$bin/$server" "$client"
agent_pid=
clean_up() {
  stop "$agent_pid"
  stop "$server_pid"
  rm -rf "$work"
}
make_work_folder
start_server

cat > "$work/config.yaml" <<YAML
version: 1
source: {name: bench, address: "valkey://127.0.0.1:$port"}
repository: {url: "file://$work/repository"}
log: {spool: {dir: "$work/spool"}}
snapshots: {schedules: [{name: nightly, cron: "0 3 * * *"}]}
http: {listen: "", socket: "$work/agent.sock"}
YAML
"$keyrewind" agent -c "$work/config.yaml" 2> "$work/agent.log" &
agent_pid=$!
until "$keyrewind" list -q -c "$work/config.yaml" 2> /dev/null | grep -q '^2'; do sleep 0.2; done
sleep "$settle"

# User and system clock ticks of the agent and its threads.
ticks() {
  awk '{ sub(/^.*\) /, ""); print $12 + $13 }' "/proc/$agent_pid/stat"
}
status_of() {
  awk -v name="$1:" '$1 == name { print $2 }' "/proc/$agent_pid/status"
}
before=$(ticks)
sleep "$seconds"
after=$(ticks)
awk -v ticks=$((after - before)) -v hz="$(getconf CLK_TCK)" -v seconds="$seconds" \
  -v now="$(status_of VmRSS)" -v peak="$(status_of VmHWM)" -v threads="$(status_of Threads)" 'BEGIN {
  printf "cpu %.2f %% of a core, resident %.1f MiB, peak %.1f MiB, %d threads\n",
    ticks / hz / seconds * 100, now / 1024, peak / 1024, threads
}'
