#!/usr/bin/env bash
# How long an agent takes from its start to being attached again, after a kill -9 with so many bytes in its spool that the
# repository does not have; and how long until the repository has them. Build first, with tests/run.sh.
#
#   tests/bench/restart.sh [--spool MEGABYTES (500)] [--dir DIR] [--build DIR] [--server NAME]
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
megabytes=500 dir=${TMPDIR:-/tmp} build=$root/build/release server=redis-server-7.0
while [ $# -gt 0 ]; do
  [ $# -ge 2 ] || { sed -n '2,/^set/ s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2; }
  case $1 in
    --spool) megabytes=$2 ;;
    --dir) dir=$2 ;;
    --build) build=$2 ;;
    --server) server=$2 ;;
    *) sed -n '2,/^set/ s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
  esac
  shift 2
done
name=restart.sh
. "$root/tests/bench/server.sh"
keyrewind=$build/keyrewind
benchmark=$bin/${server/-server-/-benchmark-}
need "$keyrewind" "$bin/$server" "$client" "$benchmark"
agent_pid=
clean_up() {
  stop "$agent_pid"
  stop "$server_pid"
  rm -rf "$work"
}
make_work_folder
start_server --repl-backlog-size 64mb
cat > "$work/config.yaml" <<YAML
version: 1
source: {name: bench, address: "valkey://127.0.0.1:$port"}
repository: {url: "file://$work/repository"}
log: {spool: {dir: "$work/spool", max_size: 8GiB}}
YAML
start_agent() {
  rm -f "$work/agent.log"
  "$keyrewind" agent -c "$work/config.yaml" 2> "$work/agent.log" &
  agent_pid=$!
  until grep -qs "log attached" "$work/agent.log"; do sleep 0.01; done
}
now() { date +%s.%N; }
seconds_since() { awk -v a="$1" -v b="$(now)" 'BEGIN { printf "%.2f", b - a }'; }

start_agent
until grep -q 'backup finished' "$work/agent.log"; do sleep 0.05; done
# A file in its place: the repository fails, and the spool grows.
mv "$work/repository" "$work/away"
: > "$work/repository"
# Some 145 bytes of stream a request.
"$benchmark" -h 127.0.0.1 -p "$port" -t set -P 16 -c 50 -r 1000000 -d 100 -n $((megabytes * 1000000 / 145)) -q > /dev/null
sleep 1
kill -9 "$agent_pid"
wait "$agent_pid" 2> /dev/null || true
spooled=$(du -sm "$work/spool" | cut -f 1)
rm "$work/repository"
mv "$work/away" "$work/repository"
started=$(now)
start_agent
attached=$(seconds_since "$started")
offset=$(cli INFO replication | tr -d '\r' | sed -n 's/^master_repl_offset://p')
while true; do
  stored=$("$keyrewind" timeline -c "$work/config.yaml" -o json | sed -n 's/.*"until_offset": \([0-9]*\).*/\1/p' | tail -n 1)
  [ "${stored:-0}" -lt "$offset" ] || break
  sleep 0.2
done
echo "spool $spooled MB: attached again after $attached s, everything in the repository after $(seconds_since "$started") s"
echo "full syncs of the server: $(cli INFO stats | tr -d '\r' | sed -n 's/^sync_full://p')"
