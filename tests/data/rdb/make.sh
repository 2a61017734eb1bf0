#!/usr/bin/env bash
# Makes the RDBs of this folder anew, by the servers in build/servers/bin (see tests/support).
#
#   tests/data/rdb/make.sh [FOLDER]      the default is this folder
#
# Times and ids inside differ from run to run; keys, types and counts do not.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
bin=$(cd "$here/../../../build/servers/bin" && pwd)
out=$(cd "${1:-$here}" && pwd)
work=$(mktemp -d /tmp/rdb.XXXXXX)
server=

stop() {
  if [ -n "$server" ]; then
    kill "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
    server=
  fi
}
trap 'stop; rm -rf "$work"' EXIT

# start PRODUCT VERSION [OPTION...]: thresholds so low that few elements make every encoding.
start() {
  local product=$1 version=$2
  shift 2
  cli="$bin/$product-cli-$version"
  rm -f "$work/dump.rdb" "$work/nodes.conf"
  "$bin/$product-server-$version" --port 0 --unixsocket "$work/s" --dir "$work" --save '' \
    --enable-debug-command local --hash-max-listpack-entries 4 --zset-max-listpack-entries 4 \
    --set-max-intset-entries 8 --list-max-listpack-size 4 --stream-node-max-entries 8 \
    "$@" >"$work/log" 2>&1 &
  server=$!
  for _ in $(seq 200); do
    if [ "$("$cli" -s "$work/s" PING 2>/dev/null)" = PONG ]; then
      return
    fi
    sleep 0.05
  done
  cat "$work/log" >&2
  return 1
}

# Runs the commands of standard input; an error reply ends the script.
run() {
  "$cli" -s "$work/s" >"$work/replies"
  if grep -E '^(ERR|WRONGTYPE|\(error\)|OOM|NOSCRIPT)' "$work/replies" >&2; then
    return 1
  fi
}

# save NAME: what was made becomes NAME.rdb.
save() {
  echo SAVE | run
  cp "$work/dump.rdb" "$out/$1.rdb"
  stop
}

times() {  # times N FORMAT: FORMAT with 1 .. N in place of %d
  local i
  for i in $(seq "$1"); do
    printf -- "${2//%d/$i}"
  done
}

# 35 keys in database 0, 3 in 1, 1 in 9.
common() {
  {
    echo 'SET s:raw "a value that stays as it is"'
    echo 'SET s:empty ""'
    echo 'SET s:int8 -100'
    echo 'SET s:int16 30000'
    echo 'SET s:int32 -2000000000'
    echo 'SET s:int64 9000000000000000000'
    echo "SET s:lzf $(printf 'abc%.0s' $(seq 100))"
    echo "SET s:14bit $(seq -s '' 40)"
    echo 'SET "s:\x00binary\xff\r\n" "\x00\x01\xfe\xff\x00"'
    echo "SETRANGE s:long 70000 end"
    echo 'SET ttl:seconds v EX 4000000000'
    echo 'SET ttl:milliseconds v PX 4000000000123'
    echo 'RPUSH l:packed a b c 1 -5 70000'
    echo "RPUSH l:nodes $(times 20 'element-%d ')"
    echo 'DEBUG QUICKLIST-PACKED-THRESHOLD 100b'
    echo "RPUSH l:plain small $(printf 'x%.0s' $(seq 9000)) small"
    echo 'DEBUG QUICKLIST-PACKED-THRESHOLD 0'
    echo 'SADD t:intset 1 2 3 70000 -5000000000'
    echo 'SADD t:small a b c'
    echo "SADD t:table $(times 200 'member-%d ')"
    echo "SADD t:many-integers $(seq -s ' ' 20)"
    echo 'ZADD z:small 1 a 2.5 b -inf c'
    echo 'ZADD z:table -inf a +inf b 0 c -1.5 d 3.14159 e 1e300 f 7 g'
    echo 'HSET h:small f1 v1 f2 2 "f\x00" "v\x00"'
    echo "HSET h:table $(times 12 'field-%d value-%d ')"
    echo 'EXPIRE h:table 4000000000'
    echo 'XADD x:plain 1-1 f v'
    echo 'XADD x:plain 1-2 f v g w'
    echo 'XADD x:empty 5-5 f v'
    echo 'XDEL x:empty 5-5'
    times 20 'XADD x:groups %d-0 f value-%d\n'
    echo 'XGROUP CREATE x:groups g1 0'
    echo 'XGROUP CREATE x:groups g2 $'
    echo 'XGROUP CREATE x:groups g3 7-0'
    echo 'XREADGROUP GROUP g1 alice COUNT 5 STREAMS x:groups >'
    echo 'XREADGROUP GROUP g1 bob COUNT 3 STREAMS x:groups >'
    echo 'XACK x:groups g1 2-0'
    echo 'XGROUP CREATECONSUMER x:groups g2 idle'
    echo 'PFADD hll a b c'
    echo 'GEOADD geo 13.36 38.11 Palermo'
    echo 'SETBIT bits 100 1'
    times 6 'SET k:%d %d\n'
    echo 'SELECT 1'
    echo 'SET one:a 1'
    echo 'SET one:b 2 EX 4000000000'
    echo 'RPUSH one:l x'
    echo 'SELECT 9'
    echo 'SET nine v'
  } | run
}

# The second is long enough to be stored compressed.
functions() {
  local body
  body=$(times 20 " redis.register_function(\"f%d\", function(keys, args) return %d end)")
  printf '%s\n' \
    'FUNCTION LOAD "#!lua name=shortlib\nredis.register_function(\"g\", function() return 1 end)"' \
    "FUNCTION LOAD \"#!lua name=longlib\\n${body//\"/\\\"}\"" | run
}

# Hashes with fields that expire: 1 packed, 1 as a table, in each a field without.
field_ttl() {
  {
    echo 'HSET ht:small a 1 b 2'
    echo 'HEXPIRE ht:small 4000000000 FIELDS 1 a'
    echo "HSET ht:table $(times 10 'field-%d value-%d ')"
    echo 'HPEXPIRE ht:table 4000000000123 FIELDS 2 field-1 field-5'
  } | run
}

few() {
  printf '%s\n' 'SET a 1' 'SET b 2 EX 4000000000' 'RPUSH l x y' 'HSET h f v' | run
}

start redis 7.0
common
functions
save redis-7.0
start redis 8.0
common
functions
field_ttl
save redis-8.0
for version in 8.0 8.1; do
  start valkey "$version"
  common
  functions
  save "valkey-$version"
done
start valkey 9.1
common
functions
field_ttl
save valkey-9.1

start redis 7.0
save redis-7.0-empty
start redis 7.0 --maxmemory-policy allkeys-lru --maxmemory 100mb
few
save redis-7.0-lru
start valkey 8.0 --maxmemory-policy allkeys-lfu --maxmemory 100mb
few
save valkey-8.0-lfu
start redis 8.0 --maxmemory-policy volatile-lfu --maxmemory 100mb
few
save redis-8.0-lfu
start redis 7.0 --rdbchecksum no
few
save redis-7.0-no-checksum
start valkey 9.1 --rdbcompression no
few
save valkey-9.1-small

for name in 'redis 8.0' 'valkey 9.1'; do
  read -r product version <<<"$name"
  start "$product" "$version" --cluster-enabled yes --cluster-config-file nodes.conf
  echo 'CLUSTER ADDSLOTSRANGE 0 16383' | run
  for _ in $(seq 200); do
    if "$cli" -s "$work/s" CLUSTER INFO | grep -q cluster_state:ok; then
      break
    fi
    sleep 0.05
  done
  few
  save "$product-$version-cluster"
done

# Vector sets: a module type, where the server is built with it.
start redis 8.0
if "$cli" -s "$work/s" COMMAND INFO VADD | grep -qi vadd; then
  printf '%s\n' 'VADD v:a VALUES 3 1 2 3 first' 'VADD v:a VALUES 3 -1 0.5 2 second' \
    'VSETATTR v:a first "{\"year\":1990}"' 'SET s v' | run
  save redis-8.0-vectorset
fi
