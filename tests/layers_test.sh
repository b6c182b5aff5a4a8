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
# The CUDA decoder stands on decode; kernels know nothing but themselves.
forbid 'torch/|ATen/|c10/|encode/|learn/|model/|evaluate/|calibrate/|text/|study/|cli/' src/cuda/*.cc src/cuda/blob.h src/cuda/codec_image.h src/cuda/decoder.h src/cuda/memory.h src/cuda/errors.h
forbid 'base/|checkpoint/|format/|entropy/|transform/|decode/|nwcodec/' src/cuda/kernels.h src/cuda/device_types.h src/encode/cuda/kernels.h
decode=(include/nwcodec src/base src/checkpoint src/format src/entropy src/transform src/decode)
forbid 'torch/|ATen/|c10/' "${decode[@]}" src/team src/encode src/text src/study src/report
forbid 'mpi\.h' "${decode[@]}" $(ls -d src/*/ | grep -v '^src/team/') src/team/team.h
above='learn/|model/|evaluate/|calibrate/|recover/|ablation/|text/|study/|report/|cli/'
forbid "encode/|team/|$above" "${decode[@]}"
forbid "encode/|$above" src/team
forbid "$above" src/encode
forbid 'encode/|learn/|model/|evaluate/|study/|report/|cli/' src/text
forbid 'encode/|learn/|calibrate/|recover/|ablation/|text/|study/|report/|cli/' src/model src/evaluate
forbid 'learn/|evaluate/|recover/|ablation/|text/|study/|report/|cli/' src/calibrate
forbid 'learn/|evaluate/|calibrate/|ablation/|text/|study/|report/|cli/' src/recover
forbid 'model/|evaluate/|recover/|ablation/|text/|study/|report/|cli/' src/learn
forbid 'learn/|model/|evaluate/|recover/|ablation/|text/|report/|cli/' src/study
forbid 'learn/|model/|evaluate/|calibrate/|recover/|ablation/|text/|cli/' src/report
forbid 'evaluate/' src/model
forbid 'cli/|text/|learn/|calibrate/' src/evaluate src/ablation
forbid 'nlohmann/|base/|checkpoint/|format/|entropy/|transform/|decode/' include/nwcodec
# Within decode, lower folders do not know higher ones.
forbid 'checkpoint/|format/|entropy/|transform/|decode/' src/base
forbid 'format/|entropy/|transform/|decode/' src/checkpoint
forbid 'checkpoint/|format/|decode/' src/entropy src/transform
forbid 'decode/' src/format
exit "$bad"
