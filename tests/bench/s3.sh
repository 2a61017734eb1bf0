#!/usr/bin/env bash
# What an S3 repository costs, against Ceph's gateway on this machine, which takes its share of the same processors: no
# figure here is that of an agent alone, only the ratios of runs side by side count. Three comparisons, each of alternating
# pairs, with the medians at the end:
#
#   snapshot   `keyrewind backup` to S3, compressed and encrypted, with the plain drain of the same RDB from the same server;
#              processor time of keyrewind for each GB of RDB, and its peak memory
#   upload     one file as one object: our S3 store with `rclone copyto` and `aws s3 cp`, if they are there
#   download   the same object into a file, by ranges side by side
#
# Build first, with tests/run.sh or cmake --build --preset release.
#
#   tests/bench/s3.sh [OPTION...]
#
#   --only NAME        one of the three (all)
#   --keys N           of 90 random bytes each, for the snapshot (5,000,000: an RDB of 0.53 GB)
#   --file-size MIB    of the file (512)
#   --connections N    of ours and of rclone's (4); aws has its own ten
#   --pairs N          how many pairs of runs (5)
#   --dir DIR          for files ($TMPDIR or /tmp); wants 4 GB. The gateway keeps all in memory, three times what is stored
#   --build DIR        whose programs (build/release)
#   --server NAME      which server (redis-server-7.0)
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
only=all keys=5000000 file_size=512 connections=4 pairs=5 dir=${TMPDIR:-/tmp} build=$root/build/release server=redis-server-7.0
usage() {
  sed -n '2,/^set/ s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
  exit 2
}
while [ $# -gt 0 ]; do
  [ $# -ge 2 ] || usage
  case $1 in
    --only) only=$2 ;;
    --keys) keys=$2 ;;
    --file-size) file_size=$2 ;;
    --connections) connections=$2 ;;
    --pairs) pairs=$2 ;;
    --dir) dir=$2 ;;
    --build) build=$2 ;;
    --server) server=$2 ;;
    *) usage ;;
  esac
  shift 2
done
case $only in all | snapshot | upload | download) ;; *) usage ;; esac

name=s3.sh
. "$root/tests/bench/server.sh"
keyrewind=$build/keyrewind
drain=$build/tests/drain_bench
s3_bench=$build/tests/s3_bench
rgw=$root/tests/support/ceph-rgw.sh
need "$keyrewind" "$drain" "$s3_bench" "$bin/$server" "$client" /usr/bin/time
make_work_folder
clean_up() {
  stop "$server_pid"
  "$rgw" destroy "$work/rgw"
  rm -rf "$work"
}

"$rgw" start "$work/rgw" >/dev/null
endpoint=$(cat "$work/rgw/url")
AWS_ACCESS_KEY_ID=$(cat "$work/rgw/access_key")
AWS_SECRET_ACCESS_KEY=$(cat "$work/rgw/secret_key")
export AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_DEFAULT_REGION=us-east-1
export RCLONE_CONFIG=/dev/null AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null
unset AWS_CA_BUNDLE AWS_PROFILE AWS_SESSION_TOKEN  # rclone refuses to run with the first

s3() {  # s3 METHOD PATH: small things that need no program of ours
  curl -fsS --noproxy '*' -o /dev/null --aws-sigv4 aws:amz:us-east-1:s3 --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" \
    -H 'x-amz-content-sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855' -X "$1" "$endpoint/$2"
}

measure() {  # measure COMMAND...: sets wall, cpu (of user and system) and peak (KiB)
  /usr/bin/time -o "$work/time" -f '%e %U %S %M' "$@" >"$work/out" 2>"$work/err" ||
    { echo "$name: $* failed:" >&2; cat "$work/out" "$work/err" >&2; exit 1; }
  read -r wall user system peak < <(tail -n 1 "$work/time")
  cpu=$(awk "BEGIN {print $user + $system}")
}

median() { sort -n | awk '{a[NR] = $1} END {print NR % 2 ? a[(NR + 1) / 2] : (a[NR / 2] + a[NR / 2 + 1]) / 2}'; }

column() { awk -v n="$2" '{print $n}' "$1"; }

generate() {  # generate KEYS: values of 90 random bytes as commands
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

# A child that still writes for the last run would slow the next one.
wait_for_server() {
  until cli INFO persistence | grep -q '^rdb_bgsave_in_progress:0' &&
    cli INFO replication | grep -q '^connected_slaves:0'; do
    sleep 0.1
  done
}

run_drain() {
  wait_for_server
  measure "$drain" "valkey://127.0.0.1:$port"
  bytes=$(awk '{print $2}' "$work/out")
  drain_wall=$wall
}

run_backup() {  # run_backup BUCKET
  wait_for_server
  s3 PUT "$1"
  cat >"$work/keyrewind.yaml" <<END
version: 1
source: {name: bench, address: "valkey://127.0.0.1:$port"}
repository:
  url: s3://$1/bench
  connections: $connections
  s3: {endpoint: "$endpoint", path_style: true}
encryption: {recipients: [$recipient]}
END
  measure "$keyrewind" backup -q -c "$work/keyrewind.yaml"
  backup_wall=$wall backup_cpu=$cpu backup_peak=$peak
  forget "$1"
}

# What is stored costs memory, and giving it back costs processor time: not within the next run.
forget() {  # forget BUCKET
  radosgw-admin -c "$work/rgw/ceph.conf" -n client.admin bucket rm --bucket="$1" --purge-objects --bypass-gc \
    >/dev/null 2>&1 || true
  "$rgw" gc "$work/rgw"
}

compare_snapshot() {
  local pair
  start_server --enable-debug-command local
  generate "$keys" | cli --pipe >/dev/null
  age-keygen -o "$work/identity" 2>/dev/null
  recipient=$(age-keygen -y "$work/identity")
  printf 'Snapshot\n%-5s %12s %12s %7s %11s %11s\n' pair 'drain wall' 'backup wall' ratio 'backup cpu' 'peak MiB'
  for ((pair = 1; pair <= pairs; pair++)); do
    if ((pair % 2)); then run_drain; run_backup "bench-$pair"; else run_backup "bench-$pair"; run_drain; fi
    echo "$drain_wall $backup_wall $backup_cpu $backup_peak" >>"$work/snapshot"
    awk -v n="$pair" -v dw="$drain_wall" -v bw="$backup_wall" -v bc="$backup_cpu" -v p="$backup_peak" \
      'BEGIN {printf "%-5d %10.2f s %10.2f s %7.3f %9.2f s %11.1f\n", n, dw, bw, bw / dw, bc, p / 1024}'
  done
  awk -v r="$(awk '{print $2 / $1}' "$work/snapshot" | median)" -v c="$(column "$work/snapshot" 3 | median)" \
    -v p="$(column "$work/snapshot" 4 | sort -n | tail -n 1)" -v n="$bytes" 'BEGIN {
      printf "RDB %.3f GB; median of ratios %.3f; CPU of keyrewind %.2f s per GB; peak at most %.1f MiB\n\n", n / 1e9, r, c / n * 1e9, p / 1024}'
  stop "$server_pid"
  server_pid=
}

# Each of the programs as put_NAME FILE KEY and get_NAME KEY FILE.
put_ours() { measure "$s3_bench" put "$1" "$endpoint" files "$2" "$connections"; }
get_ours() { measure "$s3_bench" get "$2" "$endpoint" files "$1" "$connections"; }
rclone_remote=":s3,provider=Ceph,env_auth=true,endpoint='$endpoint':files"
rclone_options=(--s3-chunk-size 8Mi --s3-upload-cutoff 8Mi --s3-upload-concurrency "$connections" --s3-no-check-bucket
  --multi-thread-streams "$connections" --multi-thread-cutoff 8Mi)
put_rclone() { measure rclone copyto "${rclone_options[@]}" "$1" "$rclone_remote/$2"; }
get_rclone() { measure rclone copyto "${rclone_options[@]}" "$rclone_remote/$1" "$2"; }
put_aws() { measure aws --endpoint-url "$endpoint" s3 cp --quiet "$1" "s3://files/$2"; }
get_aws() { measure aws --endpoint-url "$endpoint" s3 cp --quiet "s3://files/$1" "$2"; }

compare_files() {  # compare_files put|get
  local pair program order
  printf '%s of %s MiB\n%-5s' "$([ "$1" = put ] && echo Upload || echo Download)" "$file_size" pair
  printf ' %17s' "${programs[@]}"
  echo '   (wall, cpu)'
  for ((pair = 1; pair <= pairs; pair++)); do
    order=("${programs[@]}")
    if ((pair % 2 == 0)); then mapfile -t order < <(printf '%s\n' "${programs[@]}" | tac); fi
    for program in "${order[@]}"; do
      if [ "$1" = put ]; then
        "put_$program" "$work/file" "$program-$pair"
        s3 DELETE "files/$program-$pair"
        "$rgw" gc "$work/rgw"
      else
        "get_$program" object "$work/copy"
        cmp -s "$work/file" "$work/copy" || { echo "$name: $program has not brought the same bytes" >&2; exit 1; }
        rm "$work/copy"
      fi
      echo "$wall $cpu" >>"$work/$1-$program"
    done
    printf '%-5d' "$pair"
    for program in "${programs[@]}"; do printf ' %7.2f s %6.2f s' $(tail -n 1 "$work/$1-$program"); done
    echo
  done
  for program in "${programs[@]:1}"; do
    awk -v p="$program" -v r="$(paste "$work/$1-ours" "$work/$1-$program" | awk '{print $1 / $3}' | median)" \
      'BEGIN {printf "ours / %s: median of ratios %.3f\n", p, r}'
  done
  echo
}

make_file() {
  programs=(ours)
  for program in rclone aws; do
    if command -v "$program" >/dev/null; then programs+=("$program"); else echo "no $program here: left out"; fi
  done
  head -c "$((file_size << 20))" /dev/urandom >"$work/file"
  s3 PUT files
}

[ "$only" != all ] && [ "$only" != snapshot ] || compare_snapshot
if [ "$only" != snapshot ]; then
  make_file
  [ "$only" = download ] || compare_files put
  if [ "$only" != upload ]; then
    put_ours "$work/file" object
    compare_files get
  fi
fi
