#!/usr/bin/env bash
# Installs the development component into a scratch prefix, builds the consumer and the C++ example against it, and lets
# them read a checkpoint; of the example's, a compressed one too if there is one.
# usage: install_test.sh BUILD_DIR SOURCE_DIR CHECKPOINT [COMPRESSED_CHECKPOINT]
set -euo pipefail
unset DESTDIR CMAKE_GENERATOR CMAKE_PREFIX_PATH  # of whoever builds a package
build=$1 source=$2 checkpoint=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cmake --install "$build" --component development --prefix "$work/prefix" >/dev/null
if grep -rlE 'torch|ATen|nlohmann' "$work/prefix/include"; then
  echo "an installed header mentions LibTorch or a JSON type" >&2
  exit 1
fi
for header in "$work"/prefix/include/nwcodec/*.h; do
  name=nwcodec/$(basename "$header")
  if ! echo "#include <$name>" | c++ -std=c++20 -fsyntax-only -I"$work/prefix/include" -x c++ -; then
    echo "$name does not compile alone" >&2
    exit 1
  fi
done
library=$(find "$work/prefix" -name 'libnwcodec_cuda.*' | head -n 1)
headers=$(find "$work/prefix" -path '*nwcodec/cuda*.h' | head -n 1)
if [[ -n $headers && -z $library || -z $headers && -n $library ]]; then
  echo "CUDA headers and their library are installed together or not at all: '$headers', '$library'" >&2
  exit 1
fi
cmake -S "$source/tests/install" -B "$work/consumer" -DCMAKE_PREFIX_PATH="$work/prefix" \
  -DCMAKE_BUILD_TYPE=Release >/dev/null
cmake --build "$work/consumer" >/dev/null
"$work/consumer/consumer" "$checkpoint" | tee "$work/out"
grep -q '^model.norm.weight' "$work/out"

cmake -S "$source/examples/stream_weights" -B "$work/example" -DCMAKE_PREFIX_PATH="$work/prefix" \
  -DCMAKE_BUILD_TYPE=Release >/dev/null
cmake --build "$work/example" >/dev/null
for directory in "$checkpoint" ${4:+"$4"}; do
  "$work/example/stream_weights" "$directory" >"$work/at_once"
  # Bands of a row, of some rows and of whole tensors are the same weights.
  for buffer in 64 100000; do
    "$work/example/stream_weights" "$directory" "$buffer" >"$work/in_bands"
    if ! diff <(grep -v ' weights through ' "$work/at_once") <(grep -v ' weights through ' "$work/in_bands"); then
      echo "bands of $buffer bytes are other weights" >&2
      exit 1
    fi
  done
  grep -E '^[0-9]+ weights through a buffer of [0-9]+ bytes$' "$work/in_bands"
done
if [[ -n ${4:-} ]]; then grep -q ' compressed ' "$work/at_once"; fi
if "$work/example/stream_weights" "$work" 2>/dev/null; then
  echo "the example took a directory without weights" >&2
  exit 1
fi
