#!/usr/bin/env bash
# The one test command: installs what is missing, fetches the servers, builds the program and the tests, and runs them
# all. Works from any folder, as root or as a user with sudo, and asks nothing.
#
#   tests/run.sh [--preset release|dev|asan|tsan] [ARGUMENTS FOR ctest...]
#
#   tests/run.sh                        everything; the program lands at build/release/keyrewind
#   tests/run.sh -L unit                without servers
#   tests/run.sh --preset asan -R Dataset
#
# With KEYREWIND_REQUIRE_SERVERS=1, or CI=true, a server that cannot be fetched fails the run; else its tests are skipped
# and counted as such. Temporary folders are in $TMPDIR, or /tmp.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

preset=release
case ${1:-} in
  --preset)
    preset=${2:?"--preset needs a name: release, dev, asan or tsan"}
    shift 2
    ;;
  --preset=*)
    preset=${1#--preset=}
    shift
    ;;
  -h | --help)
    sed -n '2,/^set/ s/^# \{0,1\}//p' tests/run.sh
    exit 0
    ;;
esac
case $preset in
  release | dev | asan | tsan) ;;
  *)
    echo "run.sh: there is no preset '$preset'; there are release, dev, asan and tsan" >&2
    exit 2
    ;;
esac

[ "${CI:-}" = true ] && export KEYREWIND_REQUIRE_SERVERS=1

tests/support/install-packages.sh test

servers_missing=0
tests/support/fetch-servers.sh build/servers || servers_missing=$?
if [ "$servers_missing" -ne 0 ] && [ "${KEYREWIND_REQUIRE_SERVERS:-}" != 1 ]; then
  echo "run.sh: going on without the servers named above; their tests are skipped" >&2
  servers_missing=0
fi

# The tests of the chart skip, or fail where servers must be there, if this does.
tests/support/install-deploy-tools.sh build/tools || echo "run.sh: going on without the tools of the chart's tests" >&2

# Said aloud, since deploy/quickstart.sh configures the same folder without tests.
cmake --preset "$preset" -DKEYREWIND_TESTS=ON
cmake --build --preset "$preset"

status=0
ctest --preset "$preset" "$@" || status=$?
[ "$servers_missing" -eq 0 ] || echo "run.sh: failed, because the servers named above are missing" >&2
[ "$status" -eq 0 ] || exit "$status"
exit "$servers_missing"
