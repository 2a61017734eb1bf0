#!/usr/bin/env bash
# Compares a server under `redis-benchmark -t set -P 16 -c 50` that `keyrewind agent` follows with the same server followed
# by a consumer that throws everything away, in alternating runs. Ratios of runs side by side are what counts. Build
# first, with tests/run.sh or cmake --build --preset release.
#
#   tests/bench/log.sh [OPTION...]
#
#   --requests N     of each run (20000000: some twenty seconds)
#   --pairs N        how many alternating pairs of runs (5)
#   --random         random keys out of a million and values of 100 bytes, instead of the benchmark's one key
#   --steady         one client without a pipeline: some MB a second, for the age of the newest durable byte
#   --dir DIR        where repository and spool go ($TMPDIR or /tmp)
#   --build DIR      whose keyrewind and discard_bench (build/release)
#   --server NAME    which server (redis-server-7.0)
#
# For each run: requests a second, CPU seconds of the server, of the agent and of the benchmark, the most that the
# server's output buffer for the agent ever held (sampled once a second), the agent's peak memory, and how old the
# newest byte in the repository was at worst.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
requests=20000000 pairs=5 dir=${TMPDIR:-/tmp} build=$root/build/release server=redis-server-7.0 random=()
clients=(-P 16 -c 50)
usage() {
  sed -n '2,/^set/ s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
  exit 2
}
while [ $# -gt 0 ]; do
  case $1 in
    --random)
      random=(-r 1000000 -d 100)
      shift
      continue
      ;;
    --steady)
      clients=(-P 1 -c 1)
      shift
      continue
      ;;
    --requests | --pairs | --dir | --build | --server) [ $# -ge 2 ] || usage ;;
    *) usage ;;
  esac
  case $1 in
    --requests) requests=$2 ;;
    --pairs) pairs=$2 ;;
    --dir) dir=$2 ;;
    --build) build=$2 ;;
    --server) server=$2 ;;
  esac
  shift 2
done

name=log.sh
. "$root/tests/bench/server.sh"
keyrewind=$build/keyrewind
discard=$build/tests/discard_bench
benchmark=$bin/${server/-server-/-benchmark-}
need "$keyrewind" "$discard" "$bin/$server" "$client" "$benchmark"
consumer_pid= sampler_pid=
clean_up() {
  stop "$sampler_pid"
  stop "$consumer_pid"
  stop "$server_pid"
  rm -rf "$work"
}
make_work_folder

# User and system CPU seconds of a process and its threads.
cpu_of() {
  awk -v hz="$(getconf CLK_TCK)" '{ sub(/^.*\) /, ""); printf "%.2f", ($12 + $13) / hz }' "/proc/$1/stat"
}

# The largest output buffer of a replica, and the age of the newest durable byte, until stopped.
sample() {
  local most=0 oldest=0 buffered durable age
  while true; do
    buffered=$(cli CLIENT LIST TYPE REPLICA | sed -n 's/.* omem=\([0-9]*\).*/\1/p' | sort -n | tail -n 1)
    [ "${buffered:-0}" -le "$most" ] || most=$buffered
    if [ -f "$work/metrics" ]; then
      durable=$(sed -n 's/^keyrewind_log_durable_timestamp_seconds{.*} \(.*\)/\1/p' "$work/metrics")
      age=$(awk -v now="$(stat -c %Y "$work/metrics")" -v then="${durable:-0}" \
        'BEGIN { printf "%d", then == 0 ? 0 : now - then }')
      [ "$age" -le "$oldest" ] || oldest=$age
    fi
    echo "$most $oldest" > "$work/sample.new"
    mv "$work/sample.new" "$work/sample"
    sleep 1  # Looking oftener costs the runs with more to look at.
  done
}

write_config() {
  cat > "$work/config.yaml" <<YAML
version: 1
source: {name: bench, address: "valkey://127.0.0.1:$port"}
repository: {url: "file://$work/repository"}
log: {spool: {dir: "$work/spool"}}
quotas: {full_sync_min_interval: 0s}
YAML
}

start_consumer() {
  rm -rf "$work/repository" "$work/spool" "$work/metrics"
  if [ "$1" = agent ]; then
    write_config
    "$keyrewind" agent -c "$work/config.yaml" --metrics-file "$work/metrics" 2> "$work/agent.log" &
  else
    "$discard" "127.0.0.1:$port" &
  fi
  consumer_pid=$!
  until cli INFO replication | grep -q 'slave0:.*state=online'; do sleep 0.1; done
}

# One run: prints its line and leaves the requests a second in `rate`.
run_with() {
  cli FLUSHALL > /dev/null
  start_consumer "$1"
  local server_before consumer_before most oldest peak
  server_before=$(cpu_of "$server_pid")
  consumer_before=$(cpu_of "$consumer_pid")
  sample & sampler_pid=$!
  # The last line of the quiet form; the others are its progress.
  rate=$("$benchmark" -h 127.0.0.1 -p "$port" -t set "${clients[@]}" -n "$requests" ${random[@]+"${random[@]}"} -q |
    tr '\r' '\n' | sed -n 's/^SET: \([0-9.]*\) requests per second.*/\1/p' | tail -n 1)
  read -r most oldest < "$work/sample"
  server_cpu=$(awk -v a="$server_before" -v b="$(cpu_of "$server_pid")" 'BEGIN { printf "%.2f", b - a }')
  consumer_cpu=$(awk -v a="$consumer_before" -v b="$(cpu_of "$consumer_pid")" 'BEGIN { printf "%.2f", b - a }')
  peak=$(awk '/VmHWM/ { printf "%.1f", $2 / 1024 }' "/proc/$consumer_pid/status")
  stop "$sampler_pid"; sampler_pid=
  stop "$consumer_pid"; consumer_pid=
  printf '%-8s %12s req/s   server %7s s   consumer %7s s   share %5.1f %%   buffer %9s bytes   peak %6s MiB   age %2s s\n' \
    "$1" "$rate" "$server_cpu" "$consumer_cpu" \
    "$(awk -v a="$consumer_cpu" -v b="$server_cpu" 'BEGIN { print 100 * a / b }')" "$most" "$peak" "$oldest"
  share=$(awk -v a="$consumer_cpu" -v b="$server_cpu" 'BEGIN { print 100 * a / b }')
}

median() { sort -n | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }

start_server
: > "$work/ratios"; : > "$work/shares"
for ((pair = 1; pair <= pairs; ++pair)); do
  # Whoever goes first changes, in case the machine tires.
  if ((pair % 2)); then order=(discard agent); else order=(agent discard); fi
  for consumer in "${order[@]}"; do
    run_with "$consumer"
    if [ "$consumer" = agent ]; then agent_rate=$rate; echo "$share" >> "$work/shares"; else discard_rate=$rate; fi
  done
  awk -v a="$agent_rate" -v b="$discard_rate" 'BEGIN { printf "%.4f\n", a / b }' >> "$work/ratios"
done
echo "throughput with the agent / with the discarding consumer: median $(median < "$work/ratios")" \
  "($(sort -n "$work/ratios" | head -n 1) to $(sort -n "$work/ratios" | tail -n 1))"
echo "agent's CPU / server's: median $(median < "$work/shares") %"
