#!/usr/bin/env bash
# Arrows go only downward (docs/architecture.md): finds includes that point up, and LibTorch or JSON where they must not be.
# usage: layers_test.sh SOURCE_DIR
set -uo pipefail
cd "$1"
bad=0
# forbid PATTERN PATHS... : no file under PATHS may have an include line that matches.
forbid() {
  local pattern=$1
  shift
  if grep -rnE --include='*.h' --include='*.cc' "^#include [<\"]($pattern)" "$@" | grep -v '_test\.cc:'; then
    echo "forbidden above: include of $pattern in $*" >&2
    bad=1
  fi
}
decode=(include/nwcodec src/base src/checkpoint src/format src/entropy src/transform src/decode)
forbid 'torch/|ATen/|c10/' "${decode[@]}" src/encode src/text src/study src/report
forbid 'encode/|learn/|model/|evaluate/|calibrate/|ablation/|text/|study/|report/|cli/' "${decode[@]}"
forbid 'learn/|model/|evaluate/|calibrate/|ablation/|text/|study/|report/|cli/' src/encode
forbid 'encode/|learn/|model/|evaluate/|study/|report/|cli/' src/text
forbid 'encode/|learn/|calibrate/|text/|study/|report/|cli/' src/model src/evaluate
forbid 'learn/|evaluate/|text/|study/|report/|cli/' src/calibrate
forbid 'model/|evaluate/|text/|study/|report/|cli/' src/learn
forbid 'learn/|model/|evaluate/|ablation/|text/|report/|cli/' src/study
forbid 'learn/|model/|evaluate/|calibrate/|text/|cli/' src/report
forbid 'evaluate/' src/model
forbid 'cli/|text/|learn/|calibrate/' src/evaluate src/ablation
forbid 'nlohmann/|base/|checkpoint/|format/|entropy/|transform/|decode/' include/nwcodec
# Within decode, lower folders do not know higher ones.
forbid 'checkpoint/|format/|entropy/|transform/|decode/' src/base
forbid 'format/|entropy/|transform/|decode/' src/checkpoint
forbid 'checkpoint/|format/|decode/' src/entropy src/transform
forbid 'decode/' src/format
exit "$bad"
