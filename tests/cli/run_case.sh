#!/usr/bin/env bash
# Runs one command line case and compares what it did with its transcript.
# usage: run_case.sh NWCODEC TOOLS_DIR SOURCE_DIR CASE.sh
#
# CASE.sh runs under `bash -eu` in an empty directory, with the functions of lib.sh. Beside it may lie
#   CASE.exit    the exit code; 0 if there is no such file
#   CASE.stdout, CASE.stderr    what it prints, line by line; nothing if there is no such file.
# A line is a glob pattern (* ? [...] and backslash, as in bash); a line that consists of "..." stands for any number of
# lines. Exit code 77 skips the case. NWCODEC_UPDATE_TRANSCRIPTS=1 writes the transcripts instead: read them before you
# keep them.
set -uo pipefail
if [ $# -ne 4 ]; then
  sed -n '2,3s/^# //p' "$0" >&2
  exit 2
fi
here=$(cd "$(dirname "$0")" && pwd)
NWCODEC=$(realpath "$1") TOOLS=$(realpath "$2") SOURCE=$(realpath "$3") case=$(realpath "$4")
export NWCODEC TOOLS SOURCE LC_ALL=C
unset NWCODEC_ISA NWCODEC_CODECS
expected=${case%.sh}

work=$(mktemp -d "${TMPDIR:-/tmp}/nwcodec-cli.XXXXXX") || exit 1
trap 'chmod -R u+rwx "$work"; rm -rf "$work"' EXIT
mkdir "$work/run"
(
  cd "$work/run" || exit 1
  bash -eu -o pipefail -c 'source "$1"; source "$2"' "$case" "$here/lib.sh" "$case" \
    >"$work/stdout" 2>"$work/stderr" </dev/null
)
code=$?
if [ "$code" -eq 77 ]; then
  cat "$work/stdout"
  exit 77
fi

if [ -n "${NWCODEC_UPDATE_TRANSCRIPTS:-}" ]; then
  rm -f "$expected.exit" "$expected.stdout" "$expected.stderr"
  if [ "$code" -ne 0 ]; then echo "$code" >"$expected.exit"; fi
  for stream in stdout stderr; do
    if [ -s "$work/$stream" ]; then sed 's/[][\\*?]/\\&/g' "$work/$stream" >"$expected.$stream"; fi
  done
  exit 0
fi

# Whether the lines of the array `actual` from $2 on match those of `wanted` from $1 on.
matches() {
  local w=$1 a=$2
  while [ "$w" -lt "${#wanted[@]}" ]; do
    if [ "${wanted[w]}" = ... ]; then
      for (( ; a <= ${#actual[@]}; ++a)); do
        if matches $((w + 1)) "$a"; then return 0; fi
      done
      return 1
    fi
    # The right-hand side is unquoted on purpose: it is a pattern.
    # shellcheck disable=SC2053
    if [ "$a" -ge "${#actual[@]}" ] || [[ ${actual[a]} != ${wanted[w]} ]]; then return 1; fi
    w=$((w + 1)) a=$((a + 1))
  done
  [ "$a" -eq "${#actual[@]}" ]
}

failed=0
wanted_code=0
if [ -f "$expected.exit" ]; then wanted_code=$(<"$expected.exit"); fi
if [ "$code" -ne "$wanted_code" ]; then
  echo "exit code $code instead of $wanted_code"
  failed=1
fi
for stream in stdout stderr; do
  wanted=() actual=()
  if [ -f "$expected.$stream" ]; then mapfile -t wanted <"$expected.$stream"; fi
  mapfile -t actual <"$work/$stream"
  if ! matches 0 0; then
    echo "$stream is not as expected (< wanted, > found):"
    printf '%s\n' ${wanted[@]+"${wanted[@]}"} | diff - "$work/$stream"
    failed=1
  elif [ "$failed" -ne 0 ]; then
    sed "s/^/$stream: /" "$work/$stream"
  fi
done
exit "$failed"
