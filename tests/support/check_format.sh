#!/usr/bin/env bash
# Checks the form of every text file that git knows or would add (outside a checkout: of every file but build/): no
# spaces at ends of lines, a newline at the end of the file, no tabs in code, clang-format for C++, and bash's own
# opinion of scripts. Prints each finding; says nothing if there is none.
#   check_format.sh SOURCE_DIR
set -euo pipefail
cd "${1:?source directory}"

failed=0
all_files=$(mktemp)
trap 'rm -f "$all_files"' EXIT
if [ -e .git ]; then
  # Whoever runs the tests may not be who made the checkout; this only lists names.
  git -c safe.directory='*' ls-files -z --cached --others --exclude-standard
else
  find . -path ./build -prune -o -type f -printf '%P\0'
fi >"$all_files"

list() {  # list REGEX: files whose name matches, separated by NUL; not bytes that tests read, nor others' licence
  { grep -zP "$1" "$all_files" || true; } | { grep -zvP '^(tests/data/|tests/fuzz/corpus/|LICENSE$)' || true; } |
    while IFS= read -r -d '' file; do
      if [ -f "$file" ] && [ ! -L "$file" ]; then printf '%s\0' "$file"; fi
    done
}

complain() {  # complain WHAT FILE:LINE...: one line each
  local what=$1; shift
  for place in "$@"; do echo "$place: $what"; done
  failed=1
}

find_lines() {  # find_lines WHAT PATTERN FILES: complains of each line that matches in files whose name matches
  mapfile -t places < <(list "$3" | xargs -0 -r grep -IHnP "$2" -- | cut -d: -f1,2)
  if [ "${#places[@]}" -gt 0 ]; then complain "$1" "${places[@]}"; fi
}

if [ -z "$(list '^agent/.*\.cpp$' | tr '\0' '\n')" ]; then
  echo "$PWD holds no source of ours" >&2
  exit 1
fi

find_lines 'space at the end of the line' '[ \t\r]+$' .
find_lines 'tab' '\t' '(\.(h|cpp|in|cmake|sh|ya?ml|json)|CMakeLists\.txt)$'

while IFS= read -r -d '' file; do
  if [ -s "$file" ] && grep -Iq . "$file" && [ -n "$(tail -c 1 "$file")" ]; then
    complain 'no newline at the end of the file' "$file"
  fi
done < <(list .)

while IFS= read -r -d '' script; do
  bash -n "$script" || failed=1
done < <(list '(\.sh|^\.ci/run)$')

clang_format=$(command -v clang-format-14) ||
  { echo "clang-format-14 is missing; install the package of that name" >&2; exit 1; }
list '^(agent|tests)/.*\.(h|cpp)$' |
  xargs -0 -r -n 32 -P 2 "$clang_format" --dry-run -Werror || failed=1

exit "$failed"
