#!/usr/bin/env bash
# OpenStack Swift with its S3 interface for tests on this host: proxy, account, container and object server, memcached.
# It is the strict one, and the one without conditional writes. Needs no root, and the packages swift-proxy, swift-account,
# swift-container, swift-object and memcached. Listens on 127.0.0.1 only.
#
#   swift-s3.sh start DIR [PORT]   in some 3 s; prints "ready URL". Ports are chosen free unless PORT is given: then it is
#                                  S3, and the four behind it are the others'. DIR must be on a disk with user.* attributes
#   swift-s3.sh destroy DIR        ends what was started in DIR and removes DIR
#   swift-s3.sh alive DIR          whether all five processes run
#   swift-s3.sh installed          whether the packages are there; prints what is missing
#
# DIR has: url, access_key, secret_key, *.pid, logs. A process is ended by the pid that was noted when it was started.
set -euo pipefail
export PATH=$PATH:/usr/sbin:/sbin

usage() { sed -n '2,/^set/ s/^# \{0,1\}//p' "$0" >&2; exit 2; }

command=${1:-}
services=(proxy account container object)
if [ "$command" = installed ]; then
  status=0
  for program in swift-{proxy,account,container,object}-server memcached curl python3; do
    command -v "$program" >/dev/null || { echo "$program"; status=1; }
  done
  [ -r /etc/swift/swift.conf ] || { echo /etc/swift/swift.conf; status=1; }
  exit "$status"
fi
[ $# -ge 2 ] || usage
dir=$2
if [ "$command" != destroy ]; then mkdir -p "$dir"; fi
[ -d "$dir" ] || exit 0
dir=$(cd "$dir" && pwd)
secret=testing

lives() {  # lives PID: a zombie doesn't, and nobody may be in a hurry to reap it
  local stat
  stat=$(cat "/proc/$1/stat" 2>/dev/null) && [[ ${stat##*) } != Z* ]]
}

runs() {
  local pid
  pid=$(cat "$dir/$1.pid" 2>/dev/null) && lives "$pid"
}

destroy() {
  local name pid
  for name in "${services[@]}" memcached; do
    pid=$(cat "$dir/$name.pid" 2>/dev/null) || continue
    # Each was started as a session of its own: its workers are in its group.
    kill -KILL -- "-$pid" 2>/dev/null || continue
    for _ in $(seq 200); do
      lives "$pid" || break
      sleep 0.05
    done
  done
  rm -rf "$dir"
}

free_ports() {  # free_ports COUNT: below those that the kernel gives to outgoing connections
  python3 - "$1" <<'PYTHON'
import random, socket, sys
held = []
while len(held) < int(sys.argv[1]):
    held.append(socket.socket())
    try:
        held[-1].bind(("127.0.0.1", random.randrange(10240, 30000)))
    except OSError:
        held.pop()
print(*(s.getsockname()[1] for s in held))
PYTHON
}

write_rings() {  # write_rings ACCOUNT_PORT CONTAINER_PORT OBJECT_PORT
  # Debian's own Python has the modules.
  /usr/bin/python3 - "$dir/etc" "$@" <<'PYTHON'
import sys
from swift.common.ring import RingBuilder
folder, ports = sys.argv[1], sys.argv[2:]
for name, port in zip(("account", "container", "object"), ports):
    builder = RingBuilder(4, 1, 1)
    builder.add_dev({"id": 0, "region": 1, "zone": 1, "ip": "127.0.0.1", "port": int(port), "device": "d1", "weight": 1.0})
    builder.rebalance()
    builder.get_ring().save("%s/%s.ring.gz" % (folder, name))
PYTHON
}

write_storage_conf() {  # write_storage_conf SERVICE PORT
  cat >"$dir/etc/$1.conf" <<CONF
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = $2
user = $user
swift_dir = $dir/etc
devices = $dir/node
mount_check = false
disable_fallocate = true
fallocate_reserve = 0
workers = 0
log_level = ERROR
[pipeline:main]
pipeline = $1-server
[app:$1-server]
use = egg:swift#$1
allow_versions = on
CONF
}

write_proxy_conf() {  # write_proxy_conf PORT MEMCACHED_PORT
  cat >"$dir/etc/proxy.conf" <<CONF
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = $1
user = $user
swift_dir = $dir/etc
workers = 0
log_level = ERROR
[pipeline:main]
pipeline = catch_errors gatekeeper healthcheck cache listing_formats bulk s3api tempauth copy slo dlo versioned_writes symlink proxy-server
[app:proxy-server]
use = egg:swift#proxy
allow_account_management = true
account_autocreate = true
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:$2
[filter:gatekeeper]
use = egg:swift#gatekeeper
[filter:healthcheck]
use = egg:swift#healthcheck
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:bulk]
use = egg:swift#bulk
[filter:s3api]
use = egg:swift#s3api
location = us-east-1
dns_compliant_bucket_names = true
s3_acl = false
storage_domain = localhost
check_bucket_owner = false
allow_multipart_uploads = true
allow_object_versioning = true
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = $secret .admin .reseller_admin
[filter:copy]
use = egg:swift#copy
[filter:slo]
use = egg:swift#slo
[filter:dlo]
use = egg:swift#dlo
[filter:versioned_writes]
use = egg:swift#versioned_writes
allow_object_versioning = true
allow_versioned_writes = true
[filter:symlink]
use = egg:swift#symlink
CONF
}

spawn() {  # spawn NAME COMMAND...
  local name=$1
  shift
  setsid "$@" >>"$dir/$name.out" 2>&1 </dev/null &
  echo $! >"$dir/$name.pid"
}

answer() {  # answer PORT...: whether all of these do
  local port
  curl -fsS --noproxy '*' -o /dev/null "http://127.0.0.1:$1/healthcheck" 2>/dev/null || return 1
  shift
  for port in "$@"; do
    curl -sS --noproxy '*' -o /dev/null "http://127.0.0.1:$port/" 2>/dev/null || return 1
  done
}

start() {  # start [PORT]
  local ports name user
  user=$(id -un 2>/dev/null || id -u)
  if [ -n "${1:-}" ]; then
    ports=("$1" $(($1 + 1)) $(($1 + 2)) $(($1 + 3)) $(($1 + 4)))
  else
    read -r -a ports <<<"$(free_ports 5)"
  fi
  mkdir -p "$dir/node/d1" "$dir/etc"
  cp /etc/swift/swift.conf "$dir/etc/"
  write_rings "${ports[@]:1:3}"
  write_storage_conf account "${ports[1]}"
  write_storage_conf container "${ports[2]}"
  write_storage_conf object "${ports[3]}"
  write_proxy_conf "${ports[0]}" "${ports[4]}"
  echo "http://127.0.0.1:${ports[0]}" >"$dir/url"
  echo test:tester >"$dir/access_key"
  echo "$secret" >"$dir/secret_key"
  spawn memcached memcached -l 127.0.0.1 -p "${ports[4]}" -U 0 -m 64 -t 1 -u "$user"
  for name in "${services[@]}"; do spawn "$name" "swift-$name-server" "$dir/etc/$name.conf" -v; done
  for _ in $(seq 600); do
    if answer "${ports[@]:0:4}"; then
      echo "ready $(cat "$dir/url")"
      return 0
    fi
    for name in "${services[@]}"; do
      runs "$name" || { tail -n 20 "$dir/$name.out" >&2; return 1; }
    done
    sleep 0.05
  done
  echo "Swift does not answer at $(cat "$dir/url")" >&2
  return 1
}

case $command in
  start)
    if [ -n "${3:-}" ]; then
      start "$3"
      exit
    fi
    # A port that was free when it was chosen may be taken by now.
    for attempt in 1 2 3; do
      if (start); then exit 0; fi
      echo "swift-s3: attempt $attempt to start failed" >&2
      destroy
      mkdir -p "$dir"
    done
    exit 1
    ;;
  destroy) destroy ;;
  alive)
    for name in "${services[@]}" memcached; do runs "$name" || exit 1; done
    ;;
  *) usage ;;
esac
