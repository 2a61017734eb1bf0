#!/usr/bin/env bash
# A Ceph object gateway (S3) for tests on this host: one monitor, one OSD that keeps everything in memory, one radosgw.
# Needs no root, and the packages radosgw, ceph-mon and ceph-osd. Listens on 127.0.0.1 only.
#
#   ceph-rgw.sh start DIR [PORT]          from nothing, in about 1 s; prints "ready URL". Ports are chosen free unless PORT
#                                         is given: then PORT is S3, PORT+1 the monitor, the OSD's are behind that
#   ceph-rgw.sh destroy DIR               kills what was started in DIR and removes DIR
#   ceph-rgw.sh alive DIR                 whether all three processes run
#   ceph-rgw.sh installed                 whether the packages are there; prints what is missing
#   ceph-rgw.sh gateway DIR PORT [PEM]    becomes one more radosgw on the same data, in the foreground, to be killed or
#                                         stopped without the others noticing; with PEM (certificate and key) it is TLS
#   ceph-rgw.sh stop-rgw DIR | start-rgw DIR
#   ceph-rgw.sh adduser DIR NAME ACCESS_KEY SECRET_KEY
#   ceph-rgw.sh gc DIR                    gives the memory of deleted objects back
#
# The user is "test", who may also take the role "backup" by AssumeRole: arn:aws:iam:::role/backup, for 1 s and longer.
#
# Of the environment, for start: ACCESS_KEY and SECRET_KEY of the user "test", TLS_CERT=PEM (then it is https),
# STORE=memstore|bluestore, CLASSES="GLACIER STANDARD_IA" (storage classes). memstore takes two to three times the size of
# what it holds.
#
# DIR has: url, access_key, secret_key, *.pid, logs. A process is ended by the pid that was noted when it was started.
set -euo pipefail
export PATH=$PATH:/usr/sbin:/sbin

usage() { sed -n '2,/^set/ s/^# \{0,1\}//p' "$0" >&2; exit 2; }

command=${1:-}
programs=(ceph-mon ceph-osd radosgw radosgw-admin ceph monmaptool curl python3)
if [ "$command" = installed ]; then
  status=0
  for program in "${programs[@]}"; do
    command -v "$program" >/dev/null || { echo "$program"; status=1; }
  done
  exit "$status"
fi
[ $# -ge 2 ] || usage
dir=$2
if [ "$command" != destroy ]; then mkdir -p "$dir"; fi
[ -d "$dir" ] || exit 0
dir=$(cd "$dir" && pwd)
conf=$dir/ceph.conf

spawn() {  # spawn NAME COMMAND...: as a session of its own, so that no terminal or test ends it by the way
  local name=$1
  shift
  setsid "$@" >>"$dir/$name.out" 2>&1 </dev/null &
  echo $! >"$dir/$name.pid"
}

lives() {  # lives PID: a zombie doesn't, and nobody may be in a hurry to reap it
  local stat
  stat=$(cat "/proc/$1/stat" 2>/dev/null) && [[ ${stat##*) } != Z* ]]
}

kill_noted() {  # kill_noted NAME SIGNAL
  local pid
  pid=$(cat "$dir/$1.pid" 2>/dev/null) || return 0
  kill "-$2" "$pid" 2>/dev/null || return 0
  for _ in $(seq 200); do
    lives "$pid" || break
    sleep 0.05
  done
}

runs() {
  local pid
  pid=$(cat "$dir/$1.pid" 2>/dev/null) && lives "$pid"
}

admin() { radosgw-admin -c "$conf" -n client.admin "$@" >>"$dir/admin.out" 2>&1; }

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

# Without tcp_nodelay most answers come 40 ms late: their second packet waits for the acknowledgement of the first.
frontend() {  # frontend PORT [PEM]
  if [ -n "${2:-}" ]; then
    echo "beast ssl_endpoint=127.0.0.1:$1 ssl_certificate=$2 tcp_nodelay=1"
  else
    echo "beast endpoint=127.0.0.1:$1 tcp_nodelay=1"
  fi
}

wait_for_rgw() {
  local url
  url=$(cat "$dir/url")
  for _ in $(seq 600); do
    if curl -ksS --noproxy '*' -o /dev/null "$url/" 2>/dev/null; then
      echo "ready $url"
      return 0
    fi
    runs rgw || break
    sleep 0.05
  done
  echo "radosgw does not answer at $url" >&2
  tail -n 20 "$dir/rgw.out" "$dir/client.rgw.log" >&2 2>/dev/null || true
  return 1
}

start_rgw() {
  spawn rgw radosgw -c "$conf" -n client.rgw -f
  wait_for_rgw
}

write_conf() {  # write_conf S3_PORT MON_PORT OSD_PORT
  cat >"$conf" <<CONF
[global]
fsid = $(cat /proc/sys/kernel/random/uuid)
mon_host = v2:127.0.0.1:$2
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
ms_bind_ipv6 = false
ms_bind_msgr1 = false
ms_bind_port_min = $3
ms_bind_port_max = $(($3 + ${4:-500}))
run_dir = $dir/run
# Its path may be too long for a socket.
admin_socket =
log_file = $dir/\$name.log
crash_dir = $dir/run
keyring = $dir/keyring
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 4
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_warn_on_pool_no_redundancy = false
mon_max_pg_per_osd = 1000
[mon]
mon_data = $dir/mon
mon_cluster_log_file = $dir/cluster.log
mon_data_avail_crit = 1
# With the default of 1 s every new pool takes 1 s.
paxos_propose_interval = 0.02
paxos_min_wait = 0.01
[osd]
osd_data = $dir/osd
osd_objectstore = ${STORE:-memstore}
memstore_device_bytes = 17179869184
bluestore_block_size = 21474836480
osd_memory_target = 1073741824
[client]
# radosgw insists on secure connections to the monitor, which need cephx; this lets it go on without.
ms_mon_client_mode = crc
rgw_frontends = $(frontend "$1" "${TLS_CERT:-}")
rgw_data = $dir/run
rgw_thread_pool_size = 64
rgw_rados_pool_pg_num_min = 4
rgw_dns_name = localhost
# Gateways that share the data don't wait for each other: one of them may hang on purpose.
rgw_cache_enabled = false
# What is deleted gives its memory back soon, not after two hours.
rgw_gc_obj_min_wait = 1
rgw_gc_processor_period = 5
rgw_gc_processor_max_time = 60
rgw_crypt_require_ssl = false
rgw_crypt_s3_kms_backend = testing
rgw_crypt_s3_kms_encryption_keys = testkey-1=YmluCmJvb3N0CmJvb3N0LWJ1aWxkCmNlcGguY29uZgo=
rgw_s3_auth_use_sts = true
rgw_sts_key = abcdefghijklmnop
rgw_sts_min_session_duration = 1
# "local" first, or every refused signature is told as AccessDenied instead of SignatureDoesNotMatch.
rgw_s3_auth_order = local, sts
CONF
}

add_role() {  # What AssumeRole gives to the user "test" for a while.
  admin role create --role-name=backup --assume-role-policy-doc='{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":["arn:aws:iam:::user/test"]},"Action":["sts:AssumeRole"]}]}'
  admin role-policy put --role-name=backup --policy-name=all \
    --policy-doc='{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:*"],"Resource":"arn:aws:s3:::*"}]}'
}

add_classes() {
  local class
  for class in ${CLASSES:-}; do
    admin zonegroup placement add --rgw-zonegroup default --placement-id default-placement --storage-class "$class"
    admin zone placement add --rgw-zone default --placement-id default-placement --storage-class "$class" \
      --data-pool default.rgw.buckets.data
  done
}

start() {  # start [PORT]
  local s3 mon osd span uuid
  mkdir -p "$dir"/{mon,osd,run}
  : >"$dir/keyring"
  if [ -n "${1:-}" ]; then
    s3=$1 mon=$(($1 + 1)) osd=$(($1 + 2)) span=7
  else
    read -r s3 mon osd <<<"$(free_ports 3)"
    span=500
  fi
  echo "http${TLS_CERT:+s}://127.0.0.1:$s3" >"$dir/url"
  echo "${ACCESS_KEY:-TESTACCESSKEY0000001}" >"$dir/access_key"
  echo "${SECRET_KEY:-TestSecretKey0000000000000000000000000001}" >"$dir/secret_key"
  write_conf "$s3" "$mon" "$osd" "$span"
  monmaptool --create --clobber --fsid "$(sed -n 's/^fsid = //p' "$conf")" --addv a "[v2:127.0.0.1:$mon]" \
    "$dir/monmap" >/dev/null
  ceph-mon -c "$conf" -i a --mkfs --monmap "$dir/monmap" >>"$dir/mon.out" 2>&1
  spawn mon ceph-mon -c "$conf" -i a -f
  uuid=$(cat /proc/sys/kernel/random/uuid)
  ceph -c "$conf" --connect-timeout 20 osd new "$uuid" >/dev/null
  ceph-osd -c "$conf" -i 0 --mkfs --osd-uuid "$uuid" >>"$dir/osd.out" 2>&1
  spawn osd ceph-osd -c "$conf" -i 0 -f
  admin user create --uid=test --display-name=test --access-key="$(cat "$dir/access_key")" \
    --secret="$(cat "$dir/secret_key")" --caps="roles=*"
  add_role
  add_classes
  start_rgw
}

destroy() {
  local name
  for name in rgw osd mon; do kill_noted "$name" KILL; done
  rm -rf "$dir"
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
      echo "ceph-rgw: attempt $attempt to start failed" >&2
      destroy
      mkdir -p "$dir"
    done
    exit 1
    ;;
  destroy) destroy ;;
  alive) runs mon && runs osd && runs rgw ;;
  gateway)
    exec radosgw -c "$conf" -n client.rgw -f --log-file "$dir/gateway-$3.log" \
      --rgw-enable-gc-threads=false --rgw-enable-lc-threads=false --rgw-frontends "$(frontend "$3" "${4:-}")"
    ;;
  stop-rgw) kill_noted rgw TERM ;;
  start-rgw) start_rgw ;;
  adduser) admin user create --uid="$3" --display-name="$3" --access-key="$4" --secret="$5" ;;
  gc) admin gc process --include-all ;;
  *) usage ;;
esac
