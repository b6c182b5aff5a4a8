#!/usr/bin/env bash
# Peak memory of compressing and decompressing a large synthetic checkpoint.
# usage: memory_test.sh NWCODEC TOOLS_DIR SOURCE_DIR WORK_DIR [BYTES]
# Needs 2.5 times BYTES (default 4e9) free in WORK_DIR, which must not be a memory disk; otherwise ends with 77
# (skipped).
set -euo pipefail
nwcodec=$1 tools=$2 source=$3 parent=$4 bytes=${5:-4000000000}
compress_limit_mb=1000 decompress_limit_mb=700

mkdir -p "$parent"
if [ "$(stat -f -c %T "$parent")" = tmpfs ]; then
  echo "skipped: $parent is in memory"
  exit 77
fi
if (($(df --output=avail -B 1 "$parent" | tail -n 1) < bytes / 2 * 5)); then
  echo "skipped: less than $((bytes / 2 * 5)) bytes free in $parent"
  exit 77
fi
work=$(mktemp -d "$parent/nwcodec-memory.XXXXXX")
trap 'rm -rf "$work"' EXIT

"$tools/make_checkpoint" "$work/model" --bytes "$bytes" --hidden 4096 --intermediate 11008 --vocabulary 4096 --shards 3
echo "checkpoint: $(du -sb "$work/model" | cut -f 1) bytes in $(ls "$work/model"/model-*.safetensors | wc -l) shards"

failed=0
# measure LIMIT_MB COMMAND...
measure() {
  local limit=$1 kib seconds mb
  shift
  "$tools/peak_memory" "$work/peak" "$nwcodec" "$@" --quiet
  read -r kib seconds <"$work/peak"
  mb=$((kib * 1024 / 1000000))
  echo "$1: peak $mb MB (limit $limit), $seconds s"
  if ((mb > limit)); then
    echo "FAILED: too much memory" >&2
    failed=1
  fi
}

measure $compress_limit_mb compress "$work/model" -o "$work/compressed" --codec "$source/codecs/fast-1000.safetensors"
# Room for the result; what decompress writes is as large.
rm -rf "$work/model"
measure $decompress_limit_mb decompress "$work/compressed" -o "$work/plain"
exit "$failed"
