#!/usr/bin/env bash
# Builds nwcodec-decode without a shared library, and lets it work in a root directory that holds nothing else. Takes
# minutes.
# usage: static_decode_test.sh SOURCE_DIR NWCODEC [BUILD_DIR]
set -euo pipefail
source=$1 nwcodec=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
build=${3:-$work/build}
cmake -S "$source" -B "$build" -G Ninja -DNWCODEC_WITH_TORCH=OFF -DNWCODEC_DEVELOPER=OFF \
  -DNWCODEC_DECODE_PROGRAM=ON -DNWCODEC_STATIC=ON >/dev/null
ninja -C "$build" nwcodec-decode >/dev/null
program=$build/bin/nwcodec-decode
if readelf -d "$program" | grep -q NEEDED; then
  echo "it needs a shared library" >&2
  exit 1
fi

root=$work/root
mkdir -p "$root/out"
cp "$program" "$root/decode"
"$nwcodec" compress "$source/models/demo" -o "$root/small" --quiet >/dev/null
# A root of its own if we may have one; otherwise the same with the surroundings in reach.
alone() { unshare --map-root-user --root="$root" /decode "$@"; }
if ! alone --version 2>/dev/null; then
  echo "no root of its own here: unshare is not allowed"
  alone() { (cd "$root" && env -i ./decode "${@/#\//.\/}"); }
fi
alone inspect /small --verify
alone decompress /small -o /out/plain --quiet
"$nwcodec" decompress "$root/small" -o "$work/plain" --quiet >/dev/null
diff -r "$work/plain" "$root/out/plain"
if alone inspect /nowhere 2>/dev/null; then
  echo "it found what is not there" >&2
  exit 1
fi
printf '\377' | dd of="$root/small/model.safetensors" bs=1 seek=100000 conv=notrunc status=none
if alone inspect /small --verify 2>"$work/said"; then
  echo "damage was not noticed" >&2
  exit 1
fi
grep -q 'checksum' "$work/said"
