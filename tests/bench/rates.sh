#!/usr/bin/env bash
# Whether quotas.receive_rate and quotas.upload_rate hold: `keyrewind backup` of a server with data that does not compress,
# to Ceph's gateway on this machine, through a relay that notes what passes. Over any 10 s it should be within 5 % of the
# limit; each line has the least and the most of all such windows, beginning and end of the backup left out. Build first,
# with tests/run.sh or cmake --build --preset release.
#
#   tests/bench/rates.sh [OPTION...]
#
#   --rates LIST     in KiB/s ("64 1024 20480")
#   --seconds N      that a backup takes at least at such a rate (25)
#   --only NAME      receive or upload (both)
#   --dir DIR        for files ($TMPDIR or /tmp)
#   --build DIR      whose programs (build/release)
#   --server NAME    which server (valkey-server-8.1)
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
rates="64 1024 20480" seconds=25 only= dir=${TMPDIR:-/tmp} build=$root/build/release server=valkey-server-8.1
usage() {
  sed -n '2,/^set/ s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
  exit 2
}
while [ $# -gt 0 ]; do
  [ $# -ge 2 ] || usage
  case $1 in
    --rates) rates=$2 ;;
    --seconds) seconds=$2 ;;
    --only) only=$2 ;;
    --dir) dir=$2 ;;
    --build) build=$2 ;;
    --server) server=$2 ;;
    *) usage ;;
  esac
  shift 2
done
case $only in '' | receive | upload) ;; *) usage ;; esac

name=rates.sh
. "$root/tests/bench/server.sh"
keyrewind=$build/keyrewind
rgw=$root/tests/support/ceph-rgw.sh
need "$keyrewind" "$bin/$server" "$client"
make_work_folder
relay_pid=
clean_up() {
  stop "$relay_pid"
  stop "$server_pid"
  "$rgw" destroy "$work/rgw"
  rm -rf "$work"
}

"$rgw" start "$work/rgw" >/dev/null
endpoint=$(cat "$work/rgw/url")
AWS_ACCESS_KEY_ID=$(cat "$work/rgw/access_key")
AWS_SECRET_ACCESS_KEY=$(cat "$work/rgw/secret_key")
export AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_DEFAULT_REGION=us-east-1
export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null
unset AWS_CA_BUNDLE AWS_PROFILE AWS_SESSION_TOKEN

# A relay to the port TARGET, on a port of its own that it prints, or on the Unix socket PATH, in which hardly anything waits
# that was counted, but not read yet. `receive` counts what the client gets, `upload` what it sends. At the end of its input
# it says how fast that went.
cat >"$work/relay.py" <<'END'
import socket, sys, threading, time
direction, target, rate, path = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]) * 1024, sys.argv[4]
noted, lock = [], threading.Lock()

def pump(source, sink, counts):
    try:
        while data := source.recv(2048 if direction == "receive" else 16384):
            sink.sendall(data)
            if counts:
                with lock:
                    noted.append((time.monotonic(), len(data)))
    except OSError:
        pass
    for end in (source, sink):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

def serve(client):
    server = socket.create_connection(("127.0.0.1", target))
    if direction == "receive":  # Whoever is asleep is woken only once most of the buffer is free.
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, rate // 20)
    for source, sink, counts in ((client, server, direction == "upload"), (server, client, direction == "receive")):
        threading.Thread(target=pump, args=(source, sink, counts), daemon=True).start()

if direction == "receive":
    listener = socket.create_server(path, family=socket.AF_UNIX)
else:
    listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1] if direction == "upload" else path, flush=True)
def accept():
    while True:
        serve(listener.accept()[0])
threading.Thread(target=accept, daemon=True).start()
sys.stdin.read()

noted.sort()
# From the first byte of bulk to its last: what comes one by one before and after is no flow.
bulk = [entry for entry in noted if entry[1] > 1024]
begin, end = bulk[0][0] + 1, bulk[-1][0] - 1
shares, left, sum_ = [], 0, 0
for right, (at, count) in enumerate(noted):
    sum_ += count
    while noted[left][0] <= at - 10:
        sum_ -= noted[left][1]
        left += 1
    if at - 10 >= begin and at <= end:
        shares.append(sum_ / 10 / rate)
if not shares:
    sys.exit("the backup was over too soon")
print(f"{100 * min(shares):.1f} {100 * max(shares):.1f} {end - begin:.0f}")
END

measure() {  # measure receive|upload RATE: sets least, most (percent of the rate) and took (seconds)
  local bucket target source store
  bucket=rates-$1-$2
  curl -fsS --noproxy '*' -o /dev/null --aws-sigv4 aws:amz:us-east-1:s3 \
    --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" -X PUT "$endpoint/$bucket" \
    -H 'x-amz-content-sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'
  target=$port
  [ "$1" = receive ] || target=${endpoint##*:}
  rm -f "$work/in" "$work/out" "$work/relay"
  mkfifo "$work/in"
  python3 "$work/relay.py" "$1" "$target" "$2" "$work/relay" <"$work/in" >"$work/out" 2>"$work/err" &
  relay_pid=$!
  exec 9>"$work/in"
  until [ -s "$work/out" ]; do sleep 0.1; done
  source=valkey://127.0.0.1:$port store=$endpoint
  if [ "$1" = receive ]; then source=unix://$(cat "$work/out"); else store=http://127.0.0.1:$(cat "$work/out"); fi
  cat >"$work/keyrewind.yaml" <<END
version: 1
source: {name: bench, address: "$source"}
repository: {url: "s3://$bucket/bench", s3: {endpoint: "$store", path_style: true}}
quotas: {$1_rate: $2KiB/s}
END
  "$keyrewind" backup -q -c "$work/keyrewind.yaml" >/dev/null
  exec 9>&-
  wait "$relay_pid" || { cat "$work/err" >&2; exit 1; }
  relay_pid=
  read -r least most took < <(tail -n 1 "$work/out")
}

start_server
printf '%-9s %12s %9s %12s %12s\n' limit rate seconds 'least 10 s' 'most 10 s'
failed=0
for rate in $rates; do
  cli FLUSHALL >/dev/null
  python3 - "$((rate * seconds))" <<'END' | cli --pipe >/dev/null
import os, sys
for number in range(int(sys.argv[1]) // 16 + 1):
    value = os.urandom(16384)
    sys.stdout.buffer.write(b"*3\r\n$3\r\nSET\r\n$12\r\nkey:%08d\r\n$%d\r\n%s\r\n" % (number, len(value), value))
END
  for limit in receive upload; do
    [ -z "$only" ] || [ "$only" = "$limit" ] || continue
    measure "$limit" "$rate"
    printf '%-9s %8s KiB/s %7s s %10s %% %10s %%\n' "$limit" "$rate" "$took" "$least" "$most"
    awk -v l="$least" -v m="$most" 'BEGIN {exit !(l >= 95 && m <= 105)}' || failed=1
  done
done
[ "$failed" = 0 ] || { echo "$name: not all are within 5 % of their limits" >&2; exit 1; }
