#!/usr/bin/env bash
# Teams of several processes: which rank is which of its machine, what they tell each other, and what becomes of a job
# whose server fails.
# usage: team_test.sh MPIEXEC TEAM_PROBE
set -euo pipefail
mpiexec=$1 probe=$2
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
# More processes than cores, as Open MPI 4 and 5 spell it.
export OMPI_MCA_rmaps_base_oversubscribe=1 PRTE_MCA_rmaps_default_mapping_policy=:oversubscribe
work=$(mktemp -d "${TMPDIR:-/tmp}/nwcodec-team.XXXXXX")
trap 'rm -rf "$work"' EXIT
"$mpiexec" -n 1 true 2>/dev/null || { echo "skipped: $mpiexec does not start processes here"; exit 77; }

# ranks COUNT WHAT: the probe's lines, against those given.
ranks() {
  "$mpiexec" -n "$1" "$probe" "$2" </dev/null >"$work/ranks" 2>"$work/errors" || { cat "$work/errors"; exit 1; }
  sort -o "$work/ranks" "$work/ranks"
  diff - "$work/ranks" || { cat "$work/errors"; exit 1; }
}

ranks 4 local-ranks <<'RANKS'
rank 0 of 4 is number 0 of its machine
rank 1 of 4 is number 1 of its machine
rank 2 of 4 is number 0 of its machine
rank 3 of 4 is number 1 of its machine
RANKS

ranks 3 exchange <<'RANKS'
rank 0 has them all
rank 1 has them all
rank 2 has them all
RANKS

code=0
timeout 60 "$mpiexec" -n 2 "$probe" failing-probes >"$work/out" 2>&1 || code=$?
if [ "$code" -eq 0 ] || [ "$code" -eq 124 ]; then
  echo "FAILED: exit code $code of a job whose server failed"
  cat "$work/out"
  exit 1
fi
if ! grep -q '^nwcodec: rank 0: MPI: handing out items failed: ' "$work/out"; then
  echo "FAILED: no message"
  cat "$work/out"
  exit 1
fi
