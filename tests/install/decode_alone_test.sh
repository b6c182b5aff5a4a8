#!/usr/bin/env bash
# Configured for decoding alone, the tree looks for no library that only encoding, the tool or the tests need, and
# builds nothing but nwcodec_decode.
# usage: decode_alone_test.sh SOURCE_DIR
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cmake -S "$1" -B "$work" -G Ninja -DNWCODEC_WITH_TORCH=OFF -DNWCODEC_DEVELOPER=OFF >/dev/null
if grep -iE '^(pcre2|icu|mpi|gtest|benchmark|zstd|cli11|torch)_[^:]*:[^=]*=.+' "$work/CMakeCache.txt"; then
  echo "looked for by decode alone" >&2
  exit 1
fi
targets=$(ninja -C "$work" -t targets all |
  grep -E ': (C|CXX|CUDA)_(STATIC_LIBRARY|SHARED_LIBRARY|EXECUTABLE)_LINKER' | cut -d : -f 1)
echo "$targets"
[ "$targets" = src/libnwcodec_decode.a ]
