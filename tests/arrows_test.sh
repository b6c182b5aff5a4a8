#!/usr/bin/env bash
# The way of one chunk in docs/architecture.md is true: every file that an arrow names has the arrow's functions.
# usage: arrows_test.sh SOURCE_DIR
set -uo pipefail
cd "$1"
bad=0 arrows=0
# Rows "| noun | `function`[, ... `function`] | `file` |" of the first section.
while IFS='|' read -r _ _ functions file _; do
  file=$(grep -o '`[^`]*`' <<<"$file" | tr -d '`')
  for function in $(grep -o '`[^`]*`' <<<"$functions" | tr -d '`'); do
    arrows=$((arrows + 1))
    case $file in
      *.h) definition="^ *[A-Za-z].*[ *&]${function##*::}\(.*\{$" ;;  # a member in its class
      *) definition="^[A-Za-z].*[ *&]${function}\(" ;;                # calls are indented
    esac
    if ! grep -qE "$definition" "src/$file"; then
      echo "docs/architecture.md: src/$file has no $function" >&2
      bad=1
    fi
  done
done < <(sed -n '/^## The way of one chunk/,/^## Layers/p' docs/architecture.md | grep '^| .*` |$')
if [ "$arrows" -lt 20 ]; then
  echo "docs/architecture.md: only $arrows arrows found; has the table's form changed?" >&2
  bad=1
fi
exit "$bad"
