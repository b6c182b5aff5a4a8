#!/usr/bin/env bash
# Runs ctest in a build directory with further arguments, names the tests that were skipped and why, and ends with a
# line "N passed, N failed, N skipped".
set -uo pipefail
build=$1
shift
# Tests run side by side: a BLAS that spins on all cores for each of them would only slow all down.
export OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1
log=$(mktemp)
trap 'rm -f "$log"' EXIT
ctest --test-dir "$build" -j "${JOBS:-$(nproc)}" --output-on-failure "$@" | tee "$log"
status=${PIPESTATUS[0]}
total=$(grep -cE '^ *[0-9]+/[0-9]+ Test +#' "$log")
skipped=$(grep -cE '^ *[0-9]+/[0-9]+ Test +#.*\*\*\*Skipped' "$log")
passed=$(grep -cE '^ *[0-9]+/[0-9]+ Test +#.* Passed ' "$log")
failed=$((total - passed - skipped))
if [ "$total" -eq 0 ]; then
  echo "no test ran in $build" >&2
  status=1
fi
if [ "$skipped" -gt 0 ]; then
  echo "skipped, by reason:"
  # GoogleTest gives its reason below a line "FILE:LINE: Skipped"; scripts print "skipped: REASON".
  awk '
    FNR == 1 { ++inputs }
    inputs == 1 {
      if (/\*\*\*Skipped/ && match($0, /#[0-9]+: [^ ]+/)) {
        name = substr($0, RSTART, RLENGTH)
        sub(/^#[0-9]+: /, "", name)
        skipped[name]
      }
      next
    }
    / Testing: / {
      name = $3
      next
    }
    !(name in skipped) || name in known { next }
    /: Skipped$/ {
      getline
      reason_of(name, $0)
    }
    /^skipped: / { reason_of(name, substr($0, 10)) }
    function reason_of(test, reason) {
      known[test]
      tests[reason] = tests[reason] "\n    " test
    }
    END {
      for (name in skipped) if (!(name in known)) reason_of(name, "no reason given")
      for (reason in tests) print "  " reason ":" tests[reason]
    }' "$log" "$build/Testing/Temporary/LastTest.log"
fi
echo "$passed passed, $failed failed, $skipped skipped"
exit "$status"
