#!/usr/bin/env bash
# What it takes to look at a repository of many years: list, timeline and prune --dry-run over 10,000 backups and a
# million segments. Build first, with tests/run.sh or cmake --build --preset release.
#
#   tests/bench/catalog.sh [OPTION...]
#
#   --backups N      how many backups (10000)
#   --segments N     how many segments (1000000), which take 4 KiB each
#   --dir DIR        where the repository goes ($TMPDIR or /tmp)
#   --keep DIR       make it here, or take it from here, and leave it
#   --build DIR      whose keyrewind and catalog_bench (build/release)
#
# Prints, for each command: seconds in all, how many of these the listings of the log take that it makes (measured by
# themselves, the better of one before and one after), the rest; the same of CPU; the peak of the resident memory in MiB,
# and the calls to the store. On a machine that does other work the rest of the CPU says more than that of the time.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
backups=10000 segments=1000000 dir=${TMPDIR:-/tmp} keep='' build=$root/build/release
usage() {
  sed -n '2,/^set/ s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
  exit 2
}
while [ $# -gt 0 ]; do
  case $1 in
    --backups | --segments | --dir | --keep | --build) [ $# -ge 2 ] || usage ;;
    *) usage ;;
  esac
  case $1 in
    --backups) backups=$2 ;;
    --segments) segments=$2 ;;
    --dir) dir=$2 ;;
    --keep) keep=$2 ;;
    --build) build=$2 ;;
  esac
  shift 2
done

keyrewind=$build/keyrewind
maker=$build/tests/catalog_bench
for program in "$keyrewind" "$maker" jq; do
  command -v "$program" > /dev/null || { echo "catalog.sh: $program is missing" >&2; exit 1; }
done
work=$(mktemp -d "$dir/keyrewind-catalog.XXXXXX")
trap 'rm -rf "$work"' EXIT
repository=${keep:-$work/repository}
if [ ! -e "$repository" ]; then
  mkdir -p "$repository"
  echo "making $backups backups and $segments segments..." >&2
  "$maker" make "$repository" "$backups" "$segments"
fi
cat > "$work/config.yaml" <<YAML
version: 1
source: {name: bench, address: "valkey://127.0.0.1:6379"}
repository: {url: "file://$repository"}
retention: {enabled: true}
YAML

# run <listings of the log> <word>...: measures one command.
run() {
  local listings=$1 total cpu memory calls
  shift
  "$maker" list "$repository" > "$work/listings"
  /usr/bin/env python3 - "$work/usage" "$work/out.json" "$keyrewind" "$@" --output json -c "$work/config.yaml" <<'PY'
import resource, subprocess, sys, time
usage, out, *command = sys.argv[1:]
begin = time.monotonic()
with open(out, "wb") as to:
    subprocess.run(command, stdout=to, check=True)
wall = time.monotonic() - begin
of = resource.getrusage(resource.RUSAGE_CHILDREN)
with open(usage, "w") as to:
    print(wall, of.ru_utime + of.ru_stime, of.ru_maxrss / 1024, file=to)
PY
  "$maker" list "$repository" >> "$work/listings"
  read -r total cpu memory < "$work/usage"
  calls=$(jq '.store_calls // .repositories[0].store_calls' "$work/out.json")
  awk -v name="$*" -v total="$total" -v n="$listings" -v cpu="$cpu" -v memory="$memory" -v calls="$calls" '
    NR == 1 || $1 < wall { wall = $1 }
    NR == 1 || $2 < used { used = $2 }
    END { printf "%-18s %8.2f %9.2f %8.2f %8.2f %9.2f %8.2f %8.1f %8d\n", name, total, n * wall, total - n * wall,
            cpu, n * used, cpu - n * used, memory, calls }' "$work/listings"
}

echo "command               total  listings     rest      cpu  listings     rest      MiB    calls"
run 0 list
run 1 timeline
run 2 prune --dry-run
