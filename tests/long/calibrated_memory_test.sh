#!/usr/bin/env bash
# Peak memory and time per stage of calibrated compression: a synthetic checkpoint in the shape of a Llama of 1.2
# billion parameters.
# usage: calibrated_memory_test.sh NWCODEC TOOLS_DIR SOURCE_DIR WORK_DIR [BYTES]
# Needs some 3 times BYTES (default 2.4e9) free in WORK_DIR, which must not be a memory disk; otherwise ends with 77
# (skipped). The Hessians are of few sequences, because their size and what is done with them do not depend on that.
set -euo pipefail
nwcodec=$1 tools=$2 source=$3 parent=$4 bytes=${5:-2400000000}
limit_mb=1500  # above what the program takes with LibTorch before it does anything

mkdir -p "$parent"
if [ "$(stat -f -c %T "$parent")" = tmpfs ]; then
  echo "skipped: $parent is in memory"
  exit 77
fi
if (($(df --output=avail -B 1 "$parent" | tail -n 1) < bytes * 3)); then
  echo "skipped: less than $((bytes * 3)) bytes free in $parent"
  exit 77
fi
work=$(mktemp -d "$parent/nwcodec-calibrated.XXXXXX")
trap 'rm -rf "$work"' EXIT

"$tools/make_checkpoint" "$work/model" --bytes "$bytes" --hidden 2048 --intermediate 5632 --vocabulary 8192 --shards 3
cp "$source/models/demo/tokenizer.json" "$work/model"
echo "checkpoint: $(du -sb "$work/model" | cut -f 1) bytes in $(ls "$work/model"/model-*.safetensors | wc -l) shards"

# measure NAME COMMAND...: sets mb and seconds.
measure() {
  local name=$1 kib
  shift
  "$tools/peak_memory" "$work/peak" "$nwcodec" "$@" >"$work/$name.out"
  read -r kib seconds <"$work/peak"
  mb=$((kib * 1024 / 1000000))
}

measure idle --version
idle=$mb
echo "LibTorch itself: $idle MB"
measure calibrate calibrate "$work/model" --text "$source/models/demo-text.txt" -o "$work/hessians" --sequences 2 \
  --length 256 --quiet
hessian_bytes=$(du -sb "$work/hessians" | cut -f 1)
echo "calibrate: peak $mb MB, $((mb - idle)) above LibTorch, $seconds s; Hessians of $hessian_bytes bytes"
measure compress compress "$work/model" -o "$work/small" --hessians "$work/hessians" --codec fast-300 \
  --report "$work/report" --quiet
peak=$mb
echo "compress: peak $peak MB, $((peak - idle)) above LibTorch (limit $limit_mb), $seconds s"
sed -n '/"stages"/,/]/s/^ *"\(name\|seconds\)": \(.*\)/\1 \2/p' "$work/report/report.json" | paste - - |
  sed 's/name "\(.*\)",\tseconds \(.*\)/  \1: \2 s/'
if ((peak - idle > limit_mb)); then
  echo "FAILED: too much memory" >&2
  exit 1
fi
