# Shared by the benchmarks, which source it: a server on a port of the loopback in a temporary folder, both gone at the end.
#
# Before: `name` of the script, `dir` for temporary files, `server` such as redis-server-7.0, `root` of the project.
# After: `bin`, `client`, `work`, and the functions below.

bin=$root/build/servers/bin
client=$bin/${server/-server-/-cli-}
server_pid=

need() {
  local program
  for program in "$@"; do
    [ -x "$program" ] || { echo "$name: $program is not there; run tests/run.sh first" >&2; exit 1; }
  done
}

make_work_folder() {
  mkdir -p "$dir"
  work=$(cd "$(mktemp -d "$dir/keyrewind-bench-XXXXXX")" && pwd)
  trap clean_up EXIT
  trap 'exit 130' INT TERM
}

stop() {
  [ -z "$1" ] || { kill "$1" && wait "$1"; } 2>/dev/null || true
}

# Scripts with further processes replace this one.
clean_up() {
  stop "$server_pid"
  rm -rf "$work"
}

cli() { "$client" -h 127.0.0.1 -p "$port" "$@"; }

# start_server [OPTION...]: on a port that is free, left in `port`; its process id in `server_pid`
start_server() {
  for _ in {1..20}; do
    port=$((20000 + RANDOM % 12000))
    "$bin/$server" --port "$port" --bind 127.0.0.1 --save '' --dir "$work" --logfile "$work/server.log" \
      --repl-diskless-sync-delay 0 "$@" &
    server_pid=$!
    for _ in {1..50}; do
      sleep 0.1
      kill -0 "$server_pid" 2>/dev/null || break
      if [ "$(cli CONFIG GET dir 2>/dev/null | tail -n 1)" = "$work" ]; then return; fi
    done
    stop "$server_pid"
  done
  echo "$name: the server did not start:" >&2
  cat "$work/server.log" >&2
  exit 1
}
