#!/usr/bin/env bash
# Builds the wheel, installs it into an empty virtual environment and runs the tests of the package there; with
# PyTorch and transformers (torch) those that need them, too, and the examples. Exit code 77: skipped, says why.
# usage: run_tests.sh WORK_DIR [torch]      WORK_DIR: kept between runs
# environment: NWCODEC_PROGRAM, the C++ program to compare with; NWCODEC_WERROR=ON
set -uo pipefail
source=$(cd "$(dirname "$0")/.." && pwd)
work=$1
with=${2:-}
python=$(command -v /usr/bin/python3 python3 | head -n 1)
skip() {
  echo "skipped: $1"
  exit 77
}
[ -n "$python" ] || skip 'there is no Python'
"$python" -c 'import venv, ensurepip' 2>/dev/null || skip 'Python has no venv (python3-venv)'
[ -e "$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h" ] ||
  skip 'Python has no headers (python3-dev)'
mkdir -p "$work"
# environment NAME PACKAGES...: a virtual environment that has them.
environment() {
  local name=$1
  shift
  [ -e "$work/$name/complete" ] && return
  rm -rf "${work:?}/$name"
  "$python" -m venv "$work/$name" && "$work/$name/bin/pip" install -q --retries 1 "$@" >"$work/$name.log" 2>&1 &&
    touch "$work/$name/complete"
}
environment build scikit-build-core nanobind || skip 'the package index cannot be reached'
settings=("build-dir=$work/cmake" "cmake.define.NWCODEC_WERROR=${NWCODEC_WERROR:-OFF}")
# The compiler that CMake finds by itself, so that ccache knows its work.
export CC=cc CXX=c++
command -v ccache >/dev/null && settings+=(cmake.define.CMAKE_CXX_COMPILER_LAUNCHER=ccache)
rm -rf "$work/wheel"
"$work/build/bin/pip" wheel "$source" -w "$work/wheel" --no-deps --no-build-isolation \
  "${settings[@]/#/--config-settings=}" >"$work/wheel.log" 2>&1 || {
  tail -n 40 "$work/wheel.log" >&2
  exit 1
}
wheel=$(ls "$work"/wheel/*.whl)
size=$(stat -c %s "$wheel")
echo "wheel: $(basename "$wheel"), $size bytes"
[ "$size" -lt 25000000 ] || { echo 'the wheel is larger than 25 MB' >&2; exit 1; }

name=empty packages=()
if [ "$with" = torch ]; then
  name=torch packages=(torch transformers safetensors accelerate)
fi
environment "$name" numpy "${packages[@]}" || skip 'the package index cannot be reached'
"$work/$name/bin/pip" install -q --no-index --no-deps --force-reinstall "$wheel" || exit 1
export PATH=$work/$name/bin:$PATH PYTHONWARNINGS=ignore HF_HUB_OFFLINE=1 TRANSFORMERS_VERBOSITY=error
cd "$source/python/tests" || exit 1
PYTHONDONTWRITEBYTECODE=1 python -m unittest -v 2>&1
status=$?
if [ "$with" = torch ]; then
  for example in "$source"/python/examples/*.py; do
    echo "example $(basename "$example")"
    python "$example" "$(mktemp -d)" || status=1
  done
fi
exit "$status"
