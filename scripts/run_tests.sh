#!/usr/bin/env bash
# Runs ctest in a build directory with further arguments and ends with a line "N passed, N failed, N skipped".
set -uo pipefail
build=$1
shift
# Tests run side by side: a BLAS that spins on all cores for each of them would only slow all down.
export OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1
log=$(mktemp)
trap 'rm -f "$log"' EXIT
ctest --test-dir "$build" -j "$(nproc)" --output-on-failure "$@" | tee "$log"
status=${PIPESTATUS[0]}
total=$(grep -cE '^ *[0-9]+/[0-9]+ Test +#' "$log")
skipped=$(grep -cE '^ *[0-9]+/[0-9]+ Test +#.*\*\*\*Skipped' "$log")
passed=$(grep -cE '^ *[0-9]+/[0-9]+ Test +#.* Passed ' "$log")
failed=$((total - passed - skipped))
if [ "$total" -eq 0 ]; then
  echo "no test ran in $build" >&2
  status=1
fi
echo "$passed passed, $failed failed, $skipped skipped"
exit "$status"
