# For scripts that take packages out of other Debian suites than the system's, without installing them: to be sourced.
# shellcheck shell=bash
# shellcheck disable=SC2154  # root is the caller's

key=/usr/share/keyrings/debian-archive-keyring.gpg

# The places the system's apt sources name for this Debian's main component, one a line.
mirrors() {
  local codename
  codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
  find /etc/apt -maxdepth 2 -name '*.list' -exec cat {} + 2>/dev/null |
    sed 's/\[[^]]*\]//' | awk -v suite="$codename" '$1 == "deb" && $3 == suite && / main/ {print $2}'
  find /etc/apt -maxdepth 2 -name '*.sources' -exec sh -c 'cat "$1"; echo' - {} \; 2>/dev/null |
    awk -v suite="$codename" -v RS= '
      {uris = suites = components = ""
       count = split($0, lines, "\n")
       for (i = 1; i <= count; i++) {
         if (lines[i] ~ /^URIs:/) uris = substr(lines[i], 6)
         if (lines[i] ~ /^Suites:/) suites = substr(lines[i], 8) " "
         if (lines[i] ~ /^Components:/) components = substr(lines[i], 12) " "
       }
       if (index(suites, " " suite " ") && index(components, " main ")) {
         count = split(uris, each, " ")
         for (i = 1; i <= count; i++) print each[i]
       }}'
}

# refresh SUITE MIRROR: apt's lists in $root for that suite; sets `apt`, the options that every call of apt needs. The
# signature is checked, its age is not: a mirror that is weeks behind, or a wrong clock, does no harm to a test.
refresh() {
  local suite=$1 mirror=$2
  rm -rf "$root" && mkdir -p "$root"/{lists/partial,cache/archives/partial,debs,none,tree} || return 1
  echo "deb [signed-by=$key] $mirror $suite main" >"$root/sources.list"
  [ "$suite" = "${suite%-backports}" ] ||
    echo "deb [signed-by=$key] $mirror ${suite%-backports} main" >>"$root/sources.list"
  : >"$root/status"
  apt=(-qq -o "Dir::Etc::sourcelist=$root/sources.list" -o "Dir::Etc::sourceparts=$root/none"
    -o "Dir::Etc::preferencesparts=$root/none" -o "Dir::Etc::preferences=$root/none/preferences"
    -o "Dir::State::lists=$root/lists" -o "Dir::State::status=$root/status"
    -o "Dir::Cache=$root/cache" -o Dir::Cache::pkgcache=pkgcache.bin -o Dir::Cache::srcpkgcache=srcpkgcache.bin
    -o APT::Install-Recommends=false -o APT::Sandbox::User=root -o Debug::NoLocking=1
    -o APT::Update::Error-Mode=any -o Acquire::Check-Valid-Until=false -o Acquire::Check-Date=false
    -o Acquire::Retries=3 -o Acquire::Languages=none
    -o "APT::Default-Release=$suite")
  apt-get "${apt[@]}" update
}
