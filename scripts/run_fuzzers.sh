#!/usr/bin/env bash
# Runs every fuzz target of a build directory for some seconds each, starting from its committed corpus.
set -euo pipefail
build=$1
seconds=$2
for target in "$build"/bin/*_fuzzer; do
  name=$(basename "$target" _fuzzer)
  scratch="$build/corpus/$name"
  mkdir -p "$scratch"
  echo "== $name"
  "$target" -max_total_time="$seconds" -rss_limit_mb=2048 -timeout=20 \
    -print_final_stats=1 "$scratch" "tests/fuzz/corpus/$name" 2>&1 | tail -n 8
done
