#!/usr/bin/env bash
# Keyrewind in five minutes, on Debian 12, as root or as a user with sudo: builds it, starts a throw-away server with some
# 300,000 keys of every type, follows it with the agent, destroys the data with FLUSHALL, brings the moment before back to a
# fresh server and compares.
# Touches no server of yours, and leaves nothing running: what it makes besides the build is in one temporary folder,
# which is removed at the end.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
product=redis
pids=()
work=

if [ -t 1 ]; then bold=$'\e[1m' dim=$'\e[2m' green=$'\e[32m' red=$'\e[31m' plain=$'\e[0m'; else bold='' dim='' green='' red='' plain=''; fi

main() {
  step "1. What it needs"
  "$root/tests/support/install-packages.sh" quickstart
  echo "The compiler and the libraries are there."
  make_folder
  find_server

  step "2. Building keyrewind"
  build

  step "3. A throw-away server with real data"
  start_server before data
  fill_server
  local keys digest functions i
  keys=$(count_keys before)
  digest=$(cli before DEBUG DIGEST)
  functions=$(list_functions before)
  run "$product-cli" -s before.sock INFO keyspace
  echo "These are $keys keys. Their digest, which says in 40 digits what they all are, is"
  echo "  $digest"

  step "4. The agent: a snapshot, then every write"
  cat >keyrewind.yaml <<END
version: 1
source:
  name: quickstart
  address: unix://$work/before.sock
repository:
  url: file://$work/repository
log:
  segment_max_age: 1s
  spool: {dir: $work/spool}
END
  run cat keyrewind.yaml
  start_agent
  run keyrewind list -c keyrewind.yaml
  echo "What is written now is in no snapshot:"
  for i in {1..1000}; do echo "INCR orders:count"; echo "RPUSH orders:last $i"; done | cli before --pipe >/dev/null
  run "$product-cli" -s before.sock SET late "just before it happened"
  keys=$(count_keys before)
  digest=$(cli before DEBUG DIGEST)
  echo "These are $keys keys now, with the digest"
  echo "  $digest"

  step "5. A disaster"
  run "$product-cli" -s before.sock FLUSHALL
  run "$product-cli" -s before.sock SET and "life goes on"
  [ "$(count_keys before)" = 1 ] || fail "the data should be gone by now"
  await 30 "the repository to have it" has_event
  run keyrewind timeline -c keyrewind.yaml

  step "6. The moment before, on a fresh server"
  run keyrewind restore -c keyrewind.yaml --at "before:$(event)" --target restored
  start_server after restored
  run "$product-cli" -s after.sock GET late
  run "$product-cli" -s after.sock DEBUG DIGEST

  step "7. The verdict"
  compare keys "$keys" "$(count_keys after)"
  compare digest "$digest" "$(cli after DEBUG DIGEST)"
  compare functions "$functions" "$(list_functions after)"
  echo
  echo "${green}${bold}All $keys keys are back, and every one is what it was.${plain}"
  show_own_server
}

step() { printf '\n%s== %s ==%s\n\n' "$bold" "$1" "$plain"; }

fail() {
  printf '\n%sThe quickstart failed: %s.%s\n' "$red" "$1" "$plain" >&2
  exit 1
}

# Shows a command, then runs it.
run() {
  printf '%s$%s' "$dim" "$plain"
  printf ' %q' "$@"
  printf '\n'
  "$@" || fail "the command above ended with status $?"
  echo
}

make_folder() {
  local base=${TMPDIR:-/tmp}
  # The path of a Unix socket has 107 bytes at most.
  [ "${#base}" -le 60 ] || base=/tmp
  work=$(mktemp -d "$base/keyrewind-quickstart-XXXXXX")
  cd "$work"
  mkdir bin data
  PATH=$work/bin:$root/build/release:$PATH
}

# Takes the server that the machine has, if it is of today; else fetches one into build/servers, installing nothing:
# Debian's package would start a service.
find_server() {
  local candidate
  for candidate in redis valkey; do
    if is_recent "$candidate"; then
      product=$candidate
      echo "The server will be the $product-server of this machine."
      return
    fi
  done
  "$root/tests/support/fetch-servers.sh" "$root/build/servers" redis-server-7.0 >fetch.log 2>&1 ||
    fail "no server could be fetched: $(tail -n 1 fetch.log)"
  ln -s "$root/build/servers/bin/redis-server-7.0" bin/redis-server
  ln -s "$root/build/servers/bin/redis-cli-7.0" bin/redis-cli
  echo "The server will be Debian's Redis 7.0, in build/servers; it is not installed."
}

is_recent() {
  command -v "$1-server" >/dev/null && command -v "$1-cli" >/dev/null &&
    "$1-server" --version | grep -qE 'v=([7-9]|[1-9][0-9])\.'
}

build() {
  cd "$root"
  echo "This takes a few minutes the first time."
  [ -t 1 ] || echo "What the compiler says goes to $work/build.log."
  cmake --preset release -DKEYREWIND_TESTS=OFF >"$work/build.log" 2>&1 || fail_with_log "$work/build.log"
  if [ -t 1 ]; then
    cmake --build --preset release --target keyrewind || fail "it does not build"
  else
    cmake --build --preset release --target keyrewind >"$work/build.log" 2>&1 || fail_with_log "$work/build.log"
  fi
  cd "$work"
  run keyrewind version
}

fail_with_log() {
  tail -n 40 "$1" >&2
  fail "it does not build"
}

# start_server NAME FOLDER: a server on the socket NAME.sock, without a port, with its data in FOLDER
start_server() {
  local options=(--port 0 --unixsocket "$work/$1.sock" --dir "$work/$2" --save '' --logfile "$work/$1.log"
    --enable-debug-command local --repl-diskless-sync-delay 0)
  printf '%s$%s %s-server --port 0 --unixsocket %s.sock --dir %s &\n\n' "$dim" "$plain" "$product" "$1" "$2"
  "$product-server" "${options[@]}" &
  pids+=($!)
  for _ in {1..600}; do
    [ "$(cli "$1" PING 2>/dev/null)" = PONG ] && return
    kill -0 "${pids[-1]}" 2>/dev/null || break
    sleep 0.1
  done
  tail -n 20 "$work/$1.log" >&2
  fail "the $product server did not start"
}

# Follows the server in the background until the end.
start_agent() {
  printf '%s$%s keyrewind agent -c keyrewind.yaml &\n\n' "$dim" "$plain"
  keyrewind agent -c keyrewind.yaml 2>agent.log &
  pids+=($!)
  await 120 "the first snapshot" grep -q 'backup finished' agent.log
  cat agent.log
  echo
}

# await SECONDS WHAT COMMAND...: until the command succeeds
await() {
  local tries=$(($1 * 5)) what=$2
  shift 2
  for ((; tries > 0; tries--)); do
    "$@" && return
    sleep 0.2
  done
  tail -n 20 agent.log >&2
  fail "waited in vain for $what"
}

# The id of the FLUSHALL in the timeline.
event() { keyrewind timeline -c keyrewind.yaml | awk '$3 == "FLUSHALL" {id = $2} END {print id}'; }
has_event() { [ -n "$(event)" ]; }

cli() { "$product-cli" -s "$work/$1.sock" "${@:2}"; }

count_keys() { cli "$1" INFO keyspace | sed -n 's/^db.*:keys=\([0-9]*\),.*/\1/p' | awk '{sum += $1} END {print sum + 0}'; }

list_functions() { cli "$1" FUNCTION LIST WITHCODE | sort; }

fill_server() {
  local fields_expire=0
  cli before COMMAND INFO HEXPIRE | grep -qi hexpire && fields_expire=1
  cli before DEBUG POPULATE 200000 key 64 >/dev/null
  generate "$fields_expire" | cli before --pipe >fill.log 2>&1 || fail_with_fill
  grep -q 'errors: 0,' fill.log || fail_with_fill
  head -c 1048576 /dev/urandom | cli before -x SET picture >/dev/null
  printf 'a\0b\r\n\377' | cli before -x SET bytes >/dev/null
  cli before -x FUNCTION LOAD >/dev/null <<'END'
#!lua name=orders
redis.register_function('total', function(keys) return redis.call('ZCARD', keys[1]) end)
END
  echo "Filled with strings, numbers, lists, sets, sorted sets, hashes, streams with groups, HyperLogLogs,"
  echo "bitmaps, places and functions; many with a time to live."
}

fail_with_fill() {
  tail -n 5 fill.log >&2
  fail "the server did not take the data"
}

# The commands that make 100,000 keys, one a line.
generate() {
  awk -v fields_expire="$1" '
    function many(command, key, count, text, j) {
      text = command " " key
      for (j = 0; j < count; j++) text = text " " sprintf(command == "ZADD" ? "%d.5 m%d" : "v%d-%d", j * 7 + i, j)
      print text
    }
    BEGIN {
      later = "4102444800"  # the year 2100; as text, since mawk would round it
      for (i = 0; i < 50000; i++) {
        database = i < 40000 ? 0 : 3
        if (i == 0 || i == 40000) print "SELECT " database
        print "SET counter:" i " " i * 31
        if (i % 4 == 0) print "EXPIREAT counter:" i " " later
        if (i % 10 == 0) many("RPUSH", "list:" i, 1 + i % 20)
        if (i % 10 == 1) many("SADD", "set:" i, 1 + i % 20)
        if (i % 10 == 2) many("ZADD", "ranking:" i, 1 + i % 20)
        if (i % 10 == 3) print "SADD numbers:" i " " i " " i + 1 " " i * 1000
        if (i % 10 == 4) print "SETBIT visits:" i " " i % 4000 " 1"
        if (i % 10 == 5) print "PFADD visitors:" i " a" i " b c"
        if (i % 10 == 6) print "GEOADD places:" i " " i % 180 ".25 " i % 80 ".5 here"
        if (i % 10 >= 7) print "HSET customer:" i " name n" i " city c" i % 100 " orders " i % 50
        if (i % 10 == 7 && fields_expire) print "HEXPIREAT customer:" i " " later " FIELDS 1 city"
        if (i % 5 == 0) {
          print "XADD events:" i " 1-1 sku " i
          print "XADD events:" i " 2-1 sku " i + 1
          print "XGROUP CREATE events:" i " workers 0"
          print "XREADGROUP GROUP workers ann COUNT 1 STREAMS events:" i " >"
        }
      }
      many("RPUSH", "longlist", 3000); many("SADD", "largeset", 3000); many("ZADD", "largeranking", 3000)
    }'
}

compare() {
  if [ "$2" != "$3" ]; then
    printf '%s%-10s differ%s\n  before: %s\n  after:  %s\n' "$red" "$1" "$plain" "$2" "$3" >&2
    fail "what came back is not what was there"
  fi
  printf '%s%-10s the same%s\n' "$green" "$1" "$plain"
}

show_own_server() {
  cat <<END

${bold}The same with your own server, in three lines (or write the second into a file, as above):${plain}

  $product-cli ACL SETUSER backup on '>PASSWORD' +psync +replconf +info '+config|get' '+acl|list'
  export KEYREWIND_SOURCE__NAME=mine KEYREWIND_SOURCE__ADDRESS=valkey://127.0.0.1:6379 KEYREWIND_SOURCE__USERNAME=backup KEYREWIND_SOURCE__PASSWORD=PASSWORD KEYREWIND_REPOSITORY__URL="file://\$HOME/keyrewind" KEYREWIND_LOG__SPOOL__DIR="\$HOME/keyrewind-spool"
  $root/build/release/keyrewind agent

And when the day comes, into the data folder of a server that is stopped:

  $root/build/release/keyrewind timeline
  $root/build/release/keyrewind restore --at latest --target /var/lib/redis
END
}

clean_up() {
  local status=$? pid
  trap - EXIT
  for pid in "${pids[@]}"; do
    kill "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
  done
  cd /
  [ -z "$work" ] || rm -rf "$work"
  exit "$status"
}

trap clean_up EXIT
trap 'exit 130' INT TERM
main
