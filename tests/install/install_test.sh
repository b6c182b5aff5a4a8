#!/usr/bin/env bash
# Installs the development component into a scratch prefix, builds the consumer against it, and lets it read a
# checkpoint.
# usage: install_test.sh BUILD_DIR SOURCE_DIR CHECKPOINT
set -euo pipefail
build=$1 source=$2 checkpoint=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cmake --install "$build" --component development --prefix "$work/prefix" >/dev/null
if grep -rlE 'torch|ATen|nlohmann' "$work/prefix/include"; then
  echo "an installed header mentions LibTorch or a JSON type" >&2
  exit 1
fi
cmake -S "$source/tests/install" -B "$work/consumer" -DCMAKE_PREFIX_PATH="$work/prefix" \
  -DCMAKE_BUILD_TYPE=Release >/dev/null
cmake --build "$work/consumer" >/dev/null
"$work/consumer/consumer" "$checkpoint" | tee "$work/out"
grep -q '^model.norm.weight' "$work/out"
