#!/usr/bin/env bash
# Compares `keyrewind backup` with the plain drain of the same RDB from the same server, and `restore --target` with a
# copy of the same file. Ratios of runs side by side are what counts; absolute figures depend on the machine and on what
# else it does. Build first, with tests/run.sh or cmake --build --preset release.
#
#   tests/bench/backup.sh [OPTION...]
#
#   --data NAME            small         10 million strings of 90 random bytes, an RDB of 1.06 GB (the default)
#                          blob          22,000 values of 64 KiB, half of them incompressible
#                          compressible  16,000 values of 64 KiB that compress well, 1 GB in memory
#                          memory        no comparison: peak memory of a backup of 100 MB and of 5 GB
#   --pairs N              how many alternating pairs of runs (5)
#   --dir DIR              where the repositories and files go ($TMPDIR or /tmp); wants 4 GB, for memory 12 GB
#   --build DIR            whose keyrewind and drain_bench (build/release)
#   --server NAME          which server (redis-server-7.0)
#   --rdbcompression yes|no   of the server (yes); with `no` it makes its RDB faster
#   --no-restore           leaves the restore out
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
data=small pairs=5 dir=${TMPDIR:-/tmp} build=$root/build/release server=redis-server-7.0 compression=yes restore=1
value() { [ $# -ge 2 ] || usage; }
usage() {
  sed -n '2,/^set/ s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
  exit 2
}
while [ $# -gt 0 ]; do
  case $1 in
    --no-restore)
      restore=0
      shift
      continue
      ;;
    --data | --pairs | --dir | --build | --server | --rdbcompression) value "$@" ;;
    *) usage ;;
  esac
  case $1 in
    --data) data=$2 ;;
    --pairs) pairs=$2 ;;
    --dir) dir=$2 ;;
    --build) build=$2 ;;
    --server) server=$2 ;;
    --rdbcompression) compression=$2 ;;
  esac
  shift 2
done

name=backup.sh
. "$root/tests/bench/server.sh"
keyrewind=$build/keyrewind
drain=$build/tests/drain_bench
need "$keyrewind" "$drain" "$bin/$server" "$client" /usr/bin/time
make_work_folder

# generate KEYS PERCENT: KEYS values of 64 KiB as commands, PERCENT of them incompressible
generate() {
  python3 - "$1" "$2" <<'END'
import random, sys
keys, percent, size = int(sys.argv[1]), int(sys.argv[2]), 65536
random.seed(1)
noise = random.randbytes(64 * 1024 * 1024)
words = [b"order ", b"shipped ", b"paid ", b"customer ", b"depot ", b"claim ", b"2026-11-20T", b"EUR "]
prose = b"".join(random.choice(words) + b"%d " % random.randrange(10000) for _ in range(800000))
for number in range(keys):
    source = noise if number * percent // 100 != (number + 1) * percent // 100 else prose
    start = random.randrange(len(source) - size)
    key = b"blob:%d" % number
    sys.stdout.buffer.write(b"*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n" % (len(key), key, size, source[start:start + size]))
END
}

# generate_small KEYS: KEYS values of 90 random bytes as commands
generate_small() {
  python3 - "$1" <<'END'
import random, sys
random.seed(1)
noise = random.randbytes(16 * 1024 * 1024)
write = sys.stdout.buffer.write
for first in range(0, int(sys.argv[1]), 1000):
    at = [(number * 7919) % (len(noise) - 90) for number in range(first, first + 1000)]
    write(b"".join(b"*3\r\n$3\r\nSET\r\n$12\r\nkey:%08d\r\n$90\r\n%s\r\n" % (first + i, noise[a:a + 90]) for i, a in enumerate(at)))
END
}

fill() {
  case $1 in
    small) generate_small 10000000 | cli --pipe >/dev/null ;;
    blob) generate 22000 50 | cli --pipe >/dev/null ;;
    compressible) generate 16000 0 | cli --pipe >/dev/null ;;
    100MB) generate 1600 100 | cli --pipe >/dev/null ;;
    5GB) generate 80000 100 | cli --pipe >/dev/null ;;
    *) usage ;;
  esac
}

# A child that still writes for the last run would slow the next one.
wait_for_server() {
  until cli INFO persistence | grep -q '^rdb_bgsave_in_progress:0' &&
    cli INFO replication | grep -q '^connected_slaves:0'; do
    sleep 0.1
  done
}

configure() {
  rm -rf "$work/repository"
  cat >"$work/keyrewind.yaml" <<END
version: 1
source: {name: bench, address: "valkey://127.0.0.1:$port"}
repository: {url: "file://$work/repository"}
END
}

# measure COMMAND...: sets wall, cpu (of user and system) and peak (KiB)
measure() {
  /usr/bin/time -o "$work/time" -f '%e %U %S %M' "$@" >"$work/out" 2>"$work/err" ||
    { echo "backup.sh: $* failed:" >&2; cat "$work/out" "$work/err" >&2; exit 1; }
  read -r wall user system peak < <(tail -n 1 "$work/time")
  cpu=$(awk "BEGIN {print $user + $system}")
}

run_drain() {
  wait_for_server
  measure "$drain" "valkey://127.0.0.1:$port"
  bytes=$(awk '{print $2}' "$work/out")
  drain_wall=$wall drain_cpu=$cpu
}

run_backup() {
  wait_for_server
  configure
  measure "$keyrewind" backup -q -c "$work/keyrewind.yaml"
  backup_wall=$wall backup_cpu=$cpu backup_peak=$peak
}

median() { sort -n | awk '{a[NR] = $1} END {print NR % 2 ? a[(NR + 1) / 2] : (a[NR / 2] + a[NR / 2 + 1]) / 2}'; }

compare_backup() {
  printf '%-5s %12s %12s %7s %11s %11s %11s\n' pair 'drain wall' 'backup wall' ratio 'drain cpu' 'backup cpu' 'peak MiB'
  for ((pair = 1; pair <= pairs; pair++)); do
    if ((pair % 2)); then run_drain; run_backup; else run_backup; run_drain; fi
    echo "$drain_wall $backup_wall $backup_cpu" >>"$work/pairs"
    awk -v n="$pair" -v dw="$drain_wall" -v bw="$backup_wall" -v dc="$drain_cpu" -v bc="$backup_cpu" -v p="$backup_peak" \
      'BEGIN {printf "%-5d %10.2f s %10.2f s %7.3f %9.2f s %9.2f s %11.1f\n", n, dw, bw, bw / dw, dc, bc, p / 1024}'
  done
  awk -v d="$(awk '{print $1}' "$work/pairs" | median)" -v b="$(awk '{print $2}' "$work/pairs" | median)" \
    -v r="$(awk '{print $2 / $1}' "$work/pairs" | median)" -v c="$(awk '{print $3}' "$work/pairs" | median)" -v n="$bytes" \
    'BEGIN {
      printf "\nRDB %.3f GB; medians: drain %.2f s, backup %.2f s, ratio of medians %.3f, median of ratios %.3f\n", n / 1e9, d, b, b / d, r
      printf "CPU of keyrewind: %.2f s per GB\n", c / n * 1e9
    }'
}

# The floor is a copy of the same RDB on the same file system, from the page cache as the repository is.
compare_restore() {
  local rdb=$work/plain.rdb
  "$keyrewind" export -q -c "$work/keyrewind.yaml" latest --rdb "$rdb" >/dev/null
  printf '\n%-5s %10s %12s %14s %14s %16s %11s\n' pair cp 'cp + sync' restore 'restore/cp' 'restore/cp+sync' 'peak MiB'
  for ((pair = 1; pair <= pairs; pair++)); do
    rm -rf "$work"/copy.rdb "$work"/restored
    sync -f "$work"
    measure cp "$rdb" "$work/copy.rdb"
    copy=$wall
    rm "$work/copy.rdb"
    sync -f "$work"
    measure sh -c 'cp "$1" "$2" && sync "$2"' - "$rdb" "$work/copy.rdb"
    synced=$wall
    rm "$work/copy.rdb"
    sync -f "$work"
    measure "$keyrewind" restore -q -c "$work/keyrewind.yaml" latest --target "$work/restored"
    awk -v n="$pair" -v c="$copy" -v s="$synced" -v r="$wall" -v p="$peak" \
      'BEGIN {printf "%-5d %8.2f s %10.2f s %12.2f s %14.2f %16.2f %11.1f\n", n, c, s, r, r / (c > 0 ? c : 0.01), r / (s > 0 ? s : 0.01), p / 1024}'
  done
}

show_memory() {
  printf '%-8s %12s %12s\n' data wall 'peak MiB'
  for size in 100MB 5GB; do
    cli FLUSHALL >/dev/null
    fill "$size"
    run_backup
    awk -v d="$size" -v w="$backup_wall" -v p="$backup_peak" 'BEGIN {printf "%-8s %10.2f s %12.1f\n", d, w, p / 1024}'
  done
}

start_server --enable-debug-command local --rdbcompression "$compression"
if [ "$data" = memory ]; then
  show_memory
  exit
fi
echo "Filling $server with '$data' ..."
fill "$data"
compare_backup
[ "$restore" -eq 0 ] || compare_restore
