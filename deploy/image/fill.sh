#!/usr/bin/env bash
# Fills a folder with all that a container of Keyrewind has in it, and nothing else: the program, the libraries that it
# loads, certificates, time zones, a user. deploy/Dockerfile makes the images of it; it needs no Docker.
#
#   fill.sh PROGRAM TREE [SERVER...]
#
#   PROGRAM   the built keyrewind
#   TREE      a folder that is not there yet, or empty
#   SERVER    valkey-server, redis-server: for drills, and for RDBs of moments that only a server can make
#
# Everything belongs to root and is readable for all; the program runs under any user id. It writes nowhere but to the
# volumes that are mounted at /run/keyrewind and /var/lib/keyrewind, and to /tmp.
set -euo pipefail

user=65532

[ "$#" -ge 2 ] || { sed -n '2,/^set/ s/^# \{0,1\}//p' "$0" >&2; exit 2; }
program=$1
tree=$2
shift 2

say() { echo "fill.sh: $*" >&2; }

[ -x "$program" ] || { say "$program is no program; build keyrewind first"; exit 1; }
mkdir -p "$tree"
[ -z "$(ls -A "$tree")" ] || { say "$tree is not empty"; exit 1; }

# A library is copied to where the loader finds it, with the licence of its package. Packages are asked for once: Debian
# takes a while to answer.
add_libraries() {
  local listing file package files=()
  listing=$(ldd "$1")
  if grep -q 'not found' <<<"$listing"; then
    say "$1 misses libraries:" && grep 'not found' <<<"$listing" >&2
    exit 1
  fi
  while read -r file; do
    [ -e "$tree$file" ] && continue
    install -D -m 755 "$(readlink -f "$file")" "$tree$file"
    files+=("$(readlink -f "$file")")
  done < <(grep -o '/[^ ]*' <<<"$listing" | sort -u)
  while read -r package; do
    add_licence "$package"
  done < <(dpkg-query -S "${files[@]}" 2>/dev/null | cut -d : -f 1 | sort -u)
}

add_licence() {
  local licence=/usr/share/doc/$1/copyright
  [ ! -e "$licence" ] || [ -e "$tree$licence" ] || install -D -m 644 "$licence" "$tree$licence"
}

add_program() {
  install -D -m 755 "$1" "$tree/usr/bin/$2"
  strip --strip-unneeded "$tree/usr/bin/$2" 2>/dev/null || say "$2 is not stripped"
  add_libraries "$1"
}

add_program "$program" keyrewind
for server in "$@"; do
  add_program "$server" "$(basename "$server")"
done

# Under Debian's names of them; only the bundle is read.
certificates=/etc/ssl/certs/ca-certificates.crt
[ -s "$certificates" ] || { say "$certificates is not there; install ca-certificates"; exit 1; }
install -D -m 644 "$certificates" "$tree$certificates"
add_licence ca-certificates

[ -d /usr/share/zoneinfo/Europe ] || { say "/usr/share/zoneinfo is not there; install tzdata"; exit 1; }
mkdir -p "$tree/usr/share/zoneinfo"
cp -a /usr/share/zoneinfo/. "$tree/usr/share/zoneinfo/"
rm -rf "$tree/usr/share/zoneinfo/right" "$tree/usr/share/zoneinfo/posix"
ln -sfn /usr/share/zoneinfo/UTC "$tree/etc/localtime"
add_licence tzdata

printf 'root:x:0:0:root:/:/sbin/nologin\nkeyrewind:x:%s:%s:Keyrewind:/var/lib/keyrewind:/sbin/nologin\n' \
  "$user" "$user" >"$tree/etc/passwd"
printf 'root:x:0:\nkeyrewind:x:%s:\n' "$user" >"$tree/etc/group"
printf 'hosts: files dns\n' >"$tree/etc/nsswitch.conf"
chmod 644 "$tree/etc/passwd" "$tree/etc/group" "$tree/etc/nsswitch.conf"

mkdir -p "$tree/etc/keyrewind" "$tree/run/keyrewind" "$tree/var/lib/keyrewind" "$tree/proc" "$tree/dev"
install -d -m 1777 "$tree/tmp"
# Named volumes of Docker take over the owner of what they are mounted on.
if [ "$(id -u)" -eq 0 ]; then
  chown "$user:$user" "$tree/run/keyrewind" "$tree/var/lib/keyrewind"
fi
say "$tree has $(du -sm "$tree" | cut -f 1) MiB"
