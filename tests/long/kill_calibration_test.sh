#!/usr/bin/env bash
# kill_test.sh on a calibration with gradients of the demo model, and on the compression that it guides, along a trellis
# with two-sided feedback.
# usage: kill_calibration_test.sh NWCODEC TOOLS_DIR SOURCE_DIR KILLS
set -euo pipefail
hessians=$(mktemp -d "${TMPDIR:-/tmp}/nwcodec-hessians.XXXXXX")
trap 'rm -rf "$hessians"' EXIT
export OPENBLAS_NUM_THREADS=1  # sums of several threads differ from run to run
options=(--text "$3/models/demo-text.txt" --sequences 8 --length 128)
"$(dirname "$0")/kill_test.sh" "$1" "$2" "$3/models/demo" "$4" calibrate "${options[@]}"
"$1" calibrate "$3/models/demo" -o "$hessians" "${options[@]}" --threads 1 --quiet
"$(dirname "$0")/kill_test.sh" "$1" "$2" "$3/models/demo" "$4" compress --bits 3 --hessians "$hessians"
