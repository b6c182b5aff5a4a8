#!/usr/bin/env bash
# Peak memory of a calibration with gradients: a synthetic checkpoint in the shapes of Llama 3.2 1B, 1.2 billion
# parameters, on 8 sequences.
# usage: calibration_memory_test.sh NWCODEC TOOLS_DIR SOURCE_DIR WORK_DIR [LENGTH [LAYERS]]
# LENGTH of the sequences is 512 by default. Needs some 6 GB free in WORK_DIR, which must not be a memory disk;
# otherwise ends with 77 (skipped).
set -euo pipefail
nwcodec=$1 tools=$2 source=$3 parent=$4 length=${5:-512} layers=${6:-16}
limit_mb=2500  # above what a calibration takes that has next to nothing to do

mkdir -p "$parent"
if [ "$(stat -f -c %T "$parent")" = tmpfs ]; then
  echo "skipped: $parent is in memory"
  exit 77
fi
if (($(df --output=avail -B 1 "$parent" | tail -n 1) < 6000000000)); then
  echo "skipped: less than 6 GB free in $parent"
  exit 77
fi
work=$(mktemp -d "$parent/nwcodec-calibration.XXXXXX")
trap 'rm -rf "$work"' EXIT

"$tools/make_checkpoint" "$work/model" --layers "$layers" --hidden 2048 --intermediate 8192 --heads 32 --kv-heads 8 \
  --vocabulary 128256 --shards 3
"$tools/make_checkpoint" "$work/tiny" --vocabulary 8192
for model in model tiny; do cp "$source/models/demo/tokenizer.json" "$work/$model"; done
for i in $(seq 32); do cat "$source/models/demo-text.txt"; done >"$work/text.txt"

# measure NAME ARGUMENT...: sets mb and seconds.
measure() {
  local name=$1 kib
  shift
  "$tools/peak_memory" "$work/peak" "$nwcodec" calibrate --text "$work/text.txt" --quiet "$@" >"$work/$name.out"
  read -r kib seconds <"$work/peak"
  mb=$((kib * 1024 / 1000000))
}

measure tiny "$work/tiny" -o "$work/tiny.hessians" --sequences 1 --length 8
idle=$mb
echo "LibTorch itself, with a model of next to nothing: $idle MB"
measure model "$work/model" -o "$work/hessians" --sequences 8 --length "$length"
echo "with gradients, 8 sequences of $length: peak $mb MB, $((mb - idle)) above that (limit $limit_mb), $seconds s"
grep -q "8 sequences, $((8 * length)) tokens; .* of $layers blocks, with gradients" "$work/model.out" ||
  { cat "$work/model.out"; exit 1; }
if ((mb - idle > limit_mb)); then
  echo "FAILED: too much memory" >&2
  exit 1
fi
