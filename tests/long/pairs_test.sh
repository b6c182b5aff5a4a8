#!/usr/bin/env bash
# Pairs of the same command on one output directory, the second started while the first works: one finishes, the other
# says who holds the directory (or that the output is there, if the first was over), and the result is that of a single
# run. compress, calibrate and decompress.
# usage: pairs_test.sh NWCODEC MODEL TEXT PAIRS      NWCODEC_PAIRS_OF=decompress: of these commands only
set -euo pipefail
nwcodec=$1 model=$2 text=$3 pairs=$4
RANDOM=${NWCODEC_PAIRS_SEED:-1}
work=$(mktemp -d "${TMPDIR:-/tmp}/nwcodec-pairs.XXXXXX")
trap 'rm -rf "$work"' EXIT

sums() { (cd "$1" && find . -type f | sort | xargs sha256sum); }
milliseconds() { echo $(($(date +%s%N) / 1000000)); }
fail() {
  echo "FAILED: $command, pair $pair: $*" >&2
  cat "$work/first" "$work/second" >&2
  ls -lA "$work/out" >&2
  exit 1
}
start() {
  case $command in
    compress) "$nwcodec" compress "$model" -o "$1" --threads 1 --quiet ;;
    decompress) "$nwcodec" decompress "$work/slow" -o "$1" --threads 1 --quiet ;;
    calibrate) "$nwcodec" calibrate "$model" --text "$text" -o "$1" --sequences 4 --length 128 --threads 1 --quiet ;;
  esac
}

# A network that takes seconds to decode: with a fast codec, one run is over before the other has started.
"$nwcodec" compress "$model" -o "$work/slow" --codec paper-100 --quiet >/dev/null
for command in ${NWCODEC_PAIRS_OF:-compress calibrate decompress}; do
  pair=0 busy=0 late=0 began=$(milliseconds)
  start "$work/$command" >/dev/null
  whole=$(($(milliseconds) - began))
  sums "$work/$command" >"$work/wanted"
  for ((pair = 1; pair <= pairs; ++pair)); do
    rm -rf "$work/out"
    delay=$((RANDOM * whole / 32768 * 4 / 10))
    start "$work/out" >/dev/null 2>"$work/first" &
    first=$!
    sleep "$(printf '%d.%03d' $((delay / 1000)) $((delay % 1000)))"
    start "$work/out" >/dev/null 2>"$work/second" &
    second=$!
    one=0 two=0
    wait $first || one=$?
    wait $second || two=$?
    # Whichever had the lock; at a delay of nothing it may be the second.
    if [ $one -eq 0 ]; then code=$two loser=$work/second; else code=$one loser=$work/first; fi
    if [ $((one * two)) -ne 0 ] || [ $((one + two)) -ne 1 ]; then fail "exit codes $one and $two"; fi
    if grep -q "out: is being written by process [0-9]* on .*; wait until it has finished" "$loser"; then
      busy=$((busy + 1))
    elif grep -q "out: output directory exists and is not empty" "$loser"; then
      late=$((late + 1))
    else
      fail "exit code $code without a reason"
    fi
    diff "$work/wanted" <(sums "$work/out") || fail "not the files of a single run"
  done
  echo "$command: $pairs pairs, $whole ms each: $busy times the directory was busy, $late times the other was over"
  # A pair whose second comes when the first is over shows nothing; most must meet.
  if ((pairs >= 10 && busy * 2 < pairs)); then
    echo "FAILED: too few pairs met" >&2
    exit 1
  fi
done
