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

# says PATTERN: whether a line of the input matches. Reads all of it, as a command that writes to a reader which has
# stopped fails.
says() {
  local text
  text=$(cat)
  grep -q -- "$1" <<<"$text"
}

# tiny DIRECTORY [OPTION...]: a synthetic checkpoint of 2 layers, 14 linear weights, some 0.3 MB.
tiny() { "$TOOLS/make_checkpoint" "$@"; }

check_json() { "$TOOLS/check_json" "$@"; }

# The digests of all files below a directory, hidden ones too.
sums() { (cd "$1" && find . -type f -print0 | sort -z | xargs -0 -r sha256sum); }

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

# Whether the process PID handles SIGINT by now; true where /proc does not tell.
handles_interrupt() {
  local mask
  mask=$(sed -n 's/^SigCgt:[[:space:]]*//p' "/proc/$1/status" 2>/dev/null) || true
  [ -z "$mask" ] || ((0x$mask & 2))
}

# unprivileged COMMAND...: without root's right to read and write every file.
unprivileged() {
  if [ "$(id -u)" -ne 0 ]; then
    "$@"
  else
    setpriv --bounding-set -dac_override,-dac_read_search --inh-caps -dac_override,-dac_read_search "$@"
  fi
}

# launch COMMAND...: mpirun COMMAND..., whose stderr is what our program said. The launcher and the libraries below it
# say what they think of the machine (hwloc without /sys, a network that is not there); that is shown only if the
# command fails.
launch() {
  local code=0
  # A launcher that is never asked to reach another machine; Open MPI wants one to be there.
  OMPI_MCA_plm_rsh_agent=false mpirun --oversubscribe --bind-to none "$@" 2>.launch.stderr || code=$?
  if [ "$code" -eq 0 ]; then
    { grep '^nwcodec: ' .launch.stderr || true; } >&2
  else
    cat .launch.stderr >&2
  fi
  return "$code"
}

# Skips the case where two processes cannot share a compression: no launcher, or a program without MPI.
needs_mpi() {
  export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
  command -v mpirun >/dev/null || skip "no mpirun"
  launch -n 1 "$NWCODEC" --version >/dev/null 2>&1 || skip "mpirun does not start processes here"
  local said
  # Open MPI 5 ends some of its lines with a null byte, which Bash warns of.
  said=$(launch -n 2 "$NWCODEC" compress absent -o absent 2>&1 | tr -d '\000' || true)
  if [[ $said == *'built without MPI'* ]]; then skip "built without MPI"; fi
}
