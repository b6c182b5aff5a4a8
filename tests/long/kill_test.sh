#!/usr/bin/env bash
# kill -9 at random moments of a compression or of a calibration. After each kill every file under a final name must
# verify; the same command again must finish and write what an uninterrupted run writes, and leave no hidden file. Every
# third round the second run is killed too.
# usage: kill_test.sh NWCODEC TOOLS_DIR CHECKPOINT KILLS [compress|calibrate [OPTION...]]
# Options are passed on to the command (--hessians and the like).
# Without the checkpoint a synthetic one takes its place. NWCODEC_KILL_SEED chooses other moments.
set -euo pipefail
nwcodec=$1 tools=$2 checkpoint=$3 kills=$4 command=${5:-compress}
options=("${@:6}")
RANDOM=${NWCODEC_KILL_SEED:-1}
work=$(mktemp -d "${TMPDIR:-/tmp}/nwcodec-kill.XXXXXX")
trap 'rm -rf "$work"' EXIT

if [ ! -d "$checkpoint" ]; then
  checkpoint=$work/model
  "$tools/make_checkpoint" "$checkpoint" --hidden 512 --bytes 55000000 --shards 4
fi

fail() {
  echo "FAILED in round $round: $*" >&2
  ls -lA "$work/out" >&2
  exit 1
}

sums() { (cd "$1" && find . -type f | sort | xargs sha256sum); }
milliseconds() { echo $(($(date +%s%N) / 1000000)); }
arguments() { printf '%s\0' "$command" "$checkpoint" -o "$1" --threads 1 --quiet ${options[@]+"${options[@]}"}; }
run() { arguments "$1" | xargs -0 "$nwcodec"; }

round=0 began=$(milliseconds)
run "$work/wanted" >/dev/null
whole=$(($(milliseconds) - began))
sums "$work/wanted" >"$work/wanted.sums"
total=$(ls "$work/wanted"/*.safetensors | wc -l)
echo "an uninterrupted run takes $whole ms and writes $total files of weights"

# Starts a run and kills it after at most the time of a whole one. Sets `outcome`.
run_and_kill() {
  local pid delay=$((RANDOM * whole / 32768))
  # Not through the function: that would be a shell of its own, and the kill would leave the program running.
  local list
  mapfile -d '' list < <(arguments "$work/out")
  "$nwcodec" "${list[@]}" >/dev/null 2>&1 &
  pid=$!
  sleep "$(printf '%d.%03d' $((delay / 1000)) $((delay % 1000)))"
  kill -9 $pid 2>/dev/null || true
  { wait $pid; } 2>/dev/null && outcome="over before the kill" || outcome="killed after $delay ms"
  if [ ! -e "$work/out" ]; then
    outcome+=", nothing written"
    return
  fi
  local good good_files
  good=$("$tools/verify_shards" "$work/out") || fail "a file does not verify"
  good_files=$good
  outcome+=", $good of $total files there"
  if [ -d "$work/out/.nwcodec" ]; then
    good=$("$tools/verify_shards" "$work/out/.nwcodec") || fail "a block does not verify"
    outcome+=" and $good blocks"
  fi
  outcome+=", all whole"
  # The marker goes last: without it the run was complete, though the process may still have been there.
  if [ ! -e "$work/out/.nwcodec-unfinished" ] && ((good_files == total)); then outcome="over before the kill"; fi
}

hits=0
for ((round = 1; round <= kills; ++round)); do
  rm -rf "$work/out"
  run_and_kill
  report=$outcome
  if [[ $outcome == killed* ]]; then hits=$((hits + 1)); fi
  if ((round % 3 == 0)) && [[ $outcome == killed* ]]; then
    run_and_kill
    report+="; again: $outcome"
  fi
  if [[ $outcome == over* ]]; then
    echo "round $round: $report"
  else
    run "$work/out" >"$work/summary" 2>"$work/errors" || fail "the second run: $(cat "$work/errors")"
    kept=$(sed -n 's/ blocks kept.*//p' "$work/summary")
    echo "round $round: $report; ${kept:-0} blocks kept"
  fi
  diff "$work/wanted.sums" <(sums "$work/out") || fail "not the files of an uninterrupted run"
done
echo "$hits of $kills runs were killed before their end"
# Else the moments miss the run and the test shows nothing.
if ((hits * 2 < kills)); then
  echo "FAILED: too few" >&2
  exit 1
fi
