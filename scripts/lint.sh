#!/usr/bin/env bash
# What a machine can say about style: line lengths and formatting (clang-format); with LINT=tidy likely bugs in the
# decode library, which others link (clang-tidy, see .clang-tidy), and with LINT=all in the encode library too.
# clang-tidy takes 14 to 28 s of a core for each file.
# usage: lint.sh BUILD_DIR JOBS      BUILD_DIR: a configured build, for its compile_commands.json
set -uo pipefail
cd "$(dirname "$0")/.."
build=$1 jobs=$2
# Releases of these tools disagree; ours is Debian 12's.
release=14
passed=0 failed=0 skipped=0

# step NAME COMMAND...
step() {
  local name=$1
  shift
  if "$@"; then
    passed=$((passed + 1))
  else
    echo "lint: $name FAILED" >&2
    failed=$((failed + 1))
  fi
}
skip() {
  echo "skipped: $1"
  skipped=$((skipped + 1))
}
# release_of PROGRAM: its major version; nothing if there is none.
release_of() { "$1" --version 2>/dev/null | grep -oE 'version [0-9]+' | grep -oE '[0-9]+' | head -n 1; }

# No line over 120 columns, in sources neither where clang-format leaves them alone. Tables of documents cannot be
# wrapped.
line_lengths() {
  local files
  mapfile -t files < <(git ls-files '*.h' '*.cc' '*.cu' '*.cuh' '*.md' '*.txt' '*.cmake' '*.in' '*.sh' '*.awk' \
    '*.json' Makefile .ci/run |
    grep -vE '^(tests/data|tests/fuzz/corpus|tests/.*/cases/.*\.std(out|err)|models|codecs/.*\.json)')
  ! LC_ALL=C.UTF-8 grep -HnE '^.{121,}' "${files[@]}" | grep -vE '\.md:[0-9]+:\|' | cut -c 1-140
}
formatting() {
  git ls-files '*.h' '*.cc' '*.cu' '*.cuh' | xargs -P "$jobs" -n 40 clang-format --dry-run -Werror
}
# The compile commands are GCC's, whose warnings clang does not all know.
tidy() {
  local files
  mapfile -t files < <(grep -oE '"file": "[^"]*"' "$build/compile_commands.json" | cut -d '"' -f 4 | sort -u |
    grep -E "^$PWD/src/($1)/[^/]*\.cc$" | grep -v '_test\.cc$')
  printf '%s\n' "${files[@]}" |
    xargs -P "$jobs" -n 1 clang-tidy -p "$build" --quiet --warnings-as-errors='*' \
      --extra-arg=-Wno-unknown-warning-option 2>&1 |
    grep -vE '^[0-9]+ warnings? generated|^Suppressed|^Use -header-filter'
  return "${PIPESTATUS[1]}"
}

step 'line lengths' line_lengths
if [ "$(release_of clang-format)" = "$release" ]; then
  step formatting formatting
else
  skip "formatting: needs clang-format $release (Debian 12), this is '$(release_of clang-format)'"
fi
if [ -n "${LINT:-}" ]; then
  if [ "$(release_of clang-tidy)" = "$release" ]; then
    step 'clang-tidy, decode' tidy 'base|checkpoint|format|entropy|transform|codec|decode'
    if [ "$LINT" = all ]; then
      step 'clang-tidy, encode' tidy 'entropy/encode|codec/encode|weights|guide|quantise|tensor|compress|team'
    fi
  else
    skip "clang-tidy: needs clang-tidy $release (Debian 12), this is '$(release_of clang-tidy)'"
  fi
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
