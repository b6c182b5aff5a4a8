# Functions for the cases. NWCODEC, TOOLS and SOURCE are set by run_case.sh.

DEMO=$SOURCE/models/demo
DEMO_TEXT=$SOURCE/models/demo-text.txt
CODEC=$SOURCE/codecs/fast-1000.safetensors

nwcodec() { "$NWCODEC" "$@"; }

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

skip() {
  echo "skipped: $*"
  exit 77
}

# refused CODE COMMAND...: the command must end with CODE, print nothing on stdout, and one line on stderr that begins
# with "nwcodec: ". The line goes to stderr, for the transcript.
refused() {
  local wanted=$1 code=0
  shift
  "$@" >.refused.stdout 2>.refused.stderr || code=$?
  cat .refused.stderr >&2
  if [ "$code" -ne "$wanted" ]; then fail "exit code $code instead of $wanted: $*"; fi
  if [ -s .refused.stdout ]; then fail "printed something on stdout: $*"; fi
  if [ "$(wc -l <.refused.stderr)" -ne 1 ] || ! grep -q '^nwcodec: ' .refused.stderr; then
    fail "not one line that begins with 'nwcodec: ': $*"
  fi
}

# quietly COMMAND...: the command must succeed and print nothing on stderr; its stdout is dropped.
quietly() {
  local code=0
  "$@" >.quiet.stdout 2>.quiet.stderr || code=$?
  if [ "$code" -ne 0 ]; then
    cat .quiet.stderr >&2
    fail "exit code $code: $*"
  fi
  if [ -s .quiet.stderr ]; then
    cat .quiet.stderr >&2
    fail "printed something on stderr: $*"
  fi
}

# tiny DIRECTORY [OPTION...]: a synthetic checkpoint of 2 layers, 14 linear weights, some 0.3 MB.
tiny() { "$TOOLS/make_checkpoint" "$@"; }

check_json() { "$TOOLS/check_json" "$@"; }

# The digests of all files below a directory, hidden ones too.
sums() { (cd "$1" && find . -type f | sort | xargs -r sha256sum); }

# same DIRECTORY DIRECTORY: must hold the same files.
same() {
  if [ ! -d "$1" ] || [ ! -d "$2" ]; then fail "$1 or $2 is not there"; fi
  if ! diff <(sums "$1") <(sums "$2") >&2; then fail "$1 and $2 differ"; fi
}

absent() {
  local path
  for path in "$@"; do
    if [ -e "$path" ] || [ -L "$path" ]; then fail "$path is there: $(ls -A "$path")"; fi
  done
}

# flip FILE OFFSET: inverts one bit of that byte; a negative offset counts from the end.
flip() {
  local offset=$2 byte
  if [ "$offset" -lt 0 ]; then offset=$(($(stat -c %s "$1") + offset)); fi
  byte=$(od -An -tu1 -j "$offset" -N 1 "$1")
  printf "\\x$(printf %02x $((byte ^ 4)))" | dd of="$1" bs=1 seek="$offset" conv=notrunc status=none
}

# await SECONDS COMMAND...: repeats the command until it succeeds.
await() {
  local tries=$(($1 * 50))
  shift
  until "$@"; do
    if ((tries-- == 0)); then fail "waited too long for: $*"; fi
    sleep 0.02
  done
}

# Skips the case where two processes cannot share a compression: no launcher, or a program without MPI.
needs_mpi() {
  export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
  command -v mpirun >/dev/null || skip "no mpirun"
  mpirun --oversubscribe -n 1 "$NWCODEC" --version >/dev/null 2>&1 || skip "mpirun does not start processes here"
  local said
  said=$(mpirun --oversubscribe -n 2 "$NWCODEC" compress absent -o absent 2>&1 || true)
  if [[ $said == *'built without MPI'* ]]; then skip "built without MPI"; fi
}
