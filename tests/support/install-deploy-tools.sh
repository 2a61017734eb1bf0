#!/usr/bin/env bash
# Builds what the tests of helm/ and deploy/ run, into DIR/bin, from the Go modules that tests/deploy/tools pins by hash:
# helm, helm-unittest, kustomize and a checker of compose files. DIR/schemas gets those of Kubernetes and of the Prometheus
# operator, out of modules that carry them. Needs Go 1.24 and Go's module proxy; where Go is missing or older it is taken out
# of a later Debian suite into DIR, as fetch-servers.sh does with servers. Does nothing when all is there.
#
#   install-deploy-tools.sh DIR
#
# Ends with 0 if everything is there, else with 1 after a line that says what is not.
set -uo pipefail

dir=${1:?"usage: install-deploy-tools.sh DIR"}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
modules=$here/../deploy/tools

say() { echo "install-deploy-tools: $*" >&2; }

mkdir -p "$dir/bin" || exit 1
dir=$(cd "$dir" && pwd)
stamp=$(cat "$modules/go.mod" "$modules/go.sum" "$here/install-deploy-tools.sh" | sha256sum)
[ "$(cat "$dir/stamp" 2>/dev/null)" != "$stamp" ] || exit 0

exec 9>"$dir/.lock"
flock 9
[ "$(cat "$dir/stamp" 2>/dev/null)" != "$stamp" ] || exit 0

# new_enough GO: whether that is a Go of 1.24 or later
new_enough() {
  local version
  version=$("$1" env GOVERSION 2>/dev/null) && [[ $version =~ ^go1\.([0-9]+) ]] && [ "${BASH_REMATCH[1]}" -ge 24 ]
}

# fetch_go: Go out of Debian 13, whose programs need no C library, into $root/tree
fetch_go() {
  local mirror apt
  command -v apt-get >/dev/null && [ -r "$key" ] || { say "this needs Debian's apt-get and $key"; return 1; }
  while read -r mirror; do
    say "fetching Go from trixie"
    refresh trixie "$mirror" </dev/null &&
      (cd "$root/debs" && apt-get "${apt[@]}" download golang-1.24-go golang-1.24-src </dev/null) &&
      for package in "$root"/debs/*.deb; do dpkg -x "$package" "$root/tree" || return 1; done &&
      rm -rf "$root"/{lists,cache,debs,none,status,sources.list} && return
  done < <(mirrors | awk '!seen[$0]++')
  rm -rf "$root"
  return 1
}

find_go() {
  local candidate
  for candidate in "$(command -v go)" /usr/local/go/bin/go /usr/lib/go-1.2[4-9]/bin/go "$root/tree/usr/lib/go-1.24/bin/go"; do
    if [ -x "$candidate" ] && new_enough "$candidate"; then
      echo "$candidate"
      return
    fi
  done
  return 1
}

. "$here/debian-suites.sh"
root=$dir/go
go=$(find_go) || { fetch_go && go=$(find_go); } || { say "there is no Go 1.24 or later, and none could be fetched"; exit 1; }

# The Go that is there, no other; programs without C.
export GOTOOLCHAIN=local CGO_ENABLED=0 GOBIN=$dir/bin GOFLAGS="-mod=readonly -trimpath -buildvcs=false"
say "building with $("$go" version)"
cd "$modules" || exit 1
"$go" install -ldflags="-s -w" tool || { say "the tools could not be built"; exit 1; }
mv "$dir/bin/cmd" "$dir/bin/compose-check" 2>/dev/null

# folder_of MODULE@VERSION: where Go has unpacked it, its hash checked against the public log of hashes
folder_of() {
  "$go" mod download -json "$1" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p'
}
validator=$(folder_of sigs.k8s.io/kubectl-validate@v0.0.4)
operator=$(folder_of github.com/prometheus-operator/prometheus-operator@v0.85.0)
[ -d "$validator" ] && [ -d "$operator" ] || { say "the schemas could not be fetched"; exit 1; }
rm -rf "$dir/schemas" && mkdir -p "$dir/schemas/crds" || exit 1
cp -r --no-preserve=mode "$validator/pkg/openapiclient/builtins/1.30" "$dir/schemas/kubernetes" || exit 1
for kind in podmonitors prometheusrules servicemonitors; do
  install -m 644 "$operator/example/prometheus-operator-crd/monitoring.coreos.com_$kind.yaml" "$dir/schemas/crds/" || exit 1
done

for program in helm helm-unittest kustomize compose-check; do
  [ -x "$dir/bin/$program" ] || { say "$program is not here"; exit 1; }
done
echo "$stamp" >"$dir/stamp"
