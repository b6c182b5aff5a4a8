#!/usr/bin/env bash
# kill_test.sh on a calibrated compression with recovery fine-tuning of the demo model.
# usage: kill_recovery_test.sh NWCODEC TOOLS_DIR SOURCE_DIR KILLS
set -euo pipefail
hessians=$(mktemp -d "${TMPDIR:-/tmp}/nwcodec-hessians.XXXXXX")
trap 'rm -rf "$hessians"' EXIT
export OPENBLAS_NUM_THREADS=1
"$1" calibrate "$3/models/demo" --text "$3/models/demo-text.txt" -o "$hessians" --sequences 8 --length 128 --threads 1 \
  --quiet
"$(dirname "$0")/kill_test.sh" "$1" "$2" "$3/models/demo" "$4" compress --codec fast-50 \
  --hessians "$hessians" --recover --recover-sequences 8 --recover-epochs 1
