#!/usr/bin/env bash
# Arrows go only downward: every include of every source file against the list of what its folder may include
# (tests/layers.txt). Then the check itself: on a copy of the tree, includes that must be refused are refused.
# usage: layers_test.sh SOURCE_DIR
set -uo pipefail
source=$1
here=$(cd "$(dirname "$0")" && pwd)

# check TREE: prints what is not allowed in it; fails if that is anything.
check() {
  (
    cd "$1" || exit 1
    mapfile -t files < <(find include/nwcodec src -name '*.h' -o -name '*.cc' -o -name '*.cu' -o -name '*.cuh')
    {
      printf '%s:0:\n' "${files[@]}"
      grep -HnE '^[[:space:]]*#[[:space:]]*include\>' "${files[@]}"
    } | sed -E 's/^(src|include)\///' | awk -f "$here/layers_check.awk" tests/layers.txt -
  )
}

check "$source" || exit 1

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
mkdir -p "$copy/tree/tests"
cp -r "$source/include" "$source/src" "$copy/tree"
cp "$source/tests/layers.txt" "$copy/tree/tests"
status=0
# refused LINE FILE MESSAGE: with LINE added to FILE, the check fails and says MESSAGE.
refused() {
  local file=$copy/tree/$2 before=$copy/before
  rm -f "$before"
  [ -e "$file" ] && cp "$file" "$before"
  mkdir -p "$(dirname "$file")"
  printf '%s\n' "$1" >>"$file"
  if check "$copy/tree" >"$copy/said"; then
    echo "not refused: '$1' in $2" >&2
    status=1
  elif ! grep -qF "$3" "$copy/said"; then
    echo "'$1' in $2 was refused with another message:" >&2
    cat "$copy/said" >&2
    status=1
  fi
  if [ -e "$before" ]; then cp "$before" "$file"; else rm -r "$(dirname "$file")"; fi
}
refused '#include "decode/tensor_decoder.h"' src/base/bytes.h 'base may not include decode'
refused '#include "codec/encode/encoder.h"' src/decode/weights.cc 'decode may not include codec/encode'
refused '#include "entropy/encode/table_fit.h"' src/entropy/tile_decoder.cc 'entropy may not include entropy/encode'
refused '#include "base/random_variates.h"' src/decode/weights.cc 'decode may not include base/random_variates'
refused ' #  include <torch/torch.h>' src/weights/weight_matrix.h 'weights may not include torch'
refused '#include <ATen/ATen.h>' src/guide/guide_test.cc 'a test of guide includes ATen/ATen.h'
refused '#include <nlohmann/json.hpp>' include/nwcodec/weights.h 'nwcodec may not include json'
refused '#include <mpi.h>' src/team/team.h 'team may not include mpi'
refused '#include <boost/any.hpp>' src/base/bytes.h 'boost/any.hpp belongs to no folder'
refused '#include "missing.h"' src/base/bytes.h 'missing.h belongs to no folder'
refused '#include "nwcodec/weights.h"' src/cuda/decode/kernels.h 'a kernel reaches nwcodec/weights.h'
refused '#include "base/half.h"' src/cuda/encode/matrix_access.cuh 'a kernel reaches base/half.h'
refused '#include "compress/compress.h"' src/cuda/encode/entropy.cu 'cuda/encode may not include compress'
refused '#include <vector>' src/attic/old.cc 'src/attic is not in tests/layers.txt'
refused 'attic: base |' tests/layers.txt 'attic has no files'
refused 'base: decode |' tests/layers.txt 'base is there twice'
refused 'attic: base loft |' tests/layers.txt 'attic names loft, which does not stand above it'
exit "$status"
