#!/usr/bin/env bash
# Compresses the demo model, shows sizes and quality, and lets the original and the compressed model continue the same
# prompt.
set -euo pipefail
nwcodec=$1
model=models/demo
work=build/demo
prompt="The history of the city began"
windows=4   # of 256 tokens: enough for a table, done in seconds

rm -rf "$work"
mkdir -p "$work"
step() { printf '\n== %s\n' "$*"; }

step "nwcodec compress $model -o $work/compressed"
"$nwcodec" compress "$model" -o "$work/compressed"
step "nwcodec inspect $work/compressed"
"$nwcodec" inspect "$work/compressed"
step "nwcodec decompress $work/compressed -o $work/decompressed"
"$nwcodec" decompress "$work/compressed" -o "$work/decompressed"
step "nwcodec eval $work/compressed --text models/demo-text.txt --reference $model --windows $windows --context 256"
"$nwcodec" eval "$work/compressed" --text models/demo-text.txt --reference "$model" --windows "$windows" --context 256
step "nwcodec generate $model --prompt \"$prompt\""
"$nwcodec" generate "$model" --prompt "$prompt" --max-new-tokens 40
step "nwcodec generate $work/compressed --prompt \"$prompt\""
"$nwcodec" generate "$work/compressed" --prompt "$prompt" --max-new-tokens 40
